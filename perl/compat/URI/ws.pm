package URI::ws;

# ws (RFC 6455, 3). See URI.

use strict;
use warnings;

use URI::http ();

our $VERSION = '5.17';
our @ISA = ('URI::http');


1;
