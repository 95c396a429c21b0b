package URI::sips;

# sip over TLS (RFC 3261, 19.1). See URI.

use strict;
use warnings;

use URI::sip ();

our $VERSION = '5.17';
our @ISA = ('URI::sip');

sub default_port { return 5061 }
sub secure       { return 1 }

1;
