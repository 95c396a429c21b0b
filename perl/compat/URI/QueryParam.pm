package URI::QueryParam;

# Its methods are URI's own; here is only the name that scripts load.

use strict;
use warnings;

use URI::_generic ();

our $VERSION = '5.17';

1;
