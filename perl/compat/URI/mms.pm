package URI::mms;

# mms, of Microsoft's media servers. See URI.

use strict;
use warnings;

use URI::http ();

our $VERSION = '5.17';
our @ISA = ('URI::http');

sub default_port { return 1755 }

1;
