package URI::pop;

# pop (RFC 2384). See URI.

use strict;
use warnings;

use URI::_emailauth ();

our $VERSION = '5.17';
our @ISA = ('URI::_emailauth');

sub default_port { return 110 }

1;
