package URI::ftp;

# ftp (RFC 1738, 3.2). See URI.

use strict;
use warnings;

use URI::_server ();

our $VERSION = '5.17';
our @ISA = ('URI::_server');

sub default_port { return 21 }

1;
