package URI::rlogin;

# rlogin (RFC 1738 and RFC 1282). See URI.

use strict;
use warnings;

use URI::_login ();

our $VERSION = '5.17';
our @ISA = ('URI::_login');

sub default_port { return 513 }

1;
