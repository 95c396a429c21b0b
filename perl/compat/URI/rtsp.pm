package URI::rtsp;

# rtsp (RFC 2326, 3.2). See URI.

use strict;
use warnings;

use URI::http ();

our $VERSION = '5.17';
our @ISA = ('URI::http');

sub default_port { return 554 }

1;
