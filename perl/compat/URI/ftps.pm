package URI::ftps;

# ftp over TLS from the first byte on. See URI.

use strict;
use warnings;

use URI::ftp ();

our $VERSION = '5.17';
our @ISA = ('URI::ftp');

sub default_port { return 990 }
sub secure       { return 1 }
sub encrypt_mode { return 'implicit' }

1;
