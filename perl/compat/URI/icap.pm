package URI::icap;

# icap (RFC 3507). See URI.

use strict;
use warnings;

use URI::http ();

our $VERSION = '5.17';
our @ISA = ('URI::http');

sub default_port { return 1344 }

1;
