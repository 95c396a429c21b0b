package URI::ircs;

# irc over TLS. See URI.

use strict;
use warnings;

use URI::irc ();

our $VERSION = '5.17';
our @ISA = ('URI::irc');

sub default_port { return 994 }
sub secure       { return 1 }

1;
