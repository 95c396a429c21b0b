package URI::_foreign;

# A scheme that has no class. See URI.

use strict;
use warnings;

use URI::_generic ();

our $VERSION = '5.17';
our @ISA = ('URI::_generic');

1;
