package URI::https;

# https (RFC 9110, 4.2.2). See URI.

use strict;
use warnings;

use URI::http ();

our $VERSION = '5.17';
our @ISA = ('URI::http');

sub default_port { return 443 }
sub secure       { return 1 }

1;
