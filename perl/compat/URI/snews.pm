package URI::snews;

# news over TLS. See URI.

use strict;
use warnings;

use URI::news ();

our $VERSION = '5.17';
our @ISA = ('URI::news');

sub default_port { return 563 }
sub secure       { return 1 }

1;
