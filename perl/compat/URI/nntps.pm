package URI::nntps;

# nntp over TLS. See URI.

use strict;
use warnings;

use URI::nntp ();

our $VERSION = '5.17';
our @ISA = ('URI::nntp');

sub default_port { return 563 }
sub secure       { return 1 }

1;
