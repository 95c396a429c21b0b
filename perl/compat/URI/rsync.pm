package URI::rsync;

# rsync (RFC 5781). See URI.

use strict;
use warnings;

use URI::_login ();

our $VERSION = '5.17';
our @ISA = ('URI::_login');

sub default_port { return 873 }

1;
