package URI::ftpes;

# ftp that changes to TLS (RFC 4217). See URI.

use strict;
use warnings;

use URI::ftp ();

our $VERSION = '5.17';
our @ISA = ('URI::ftp');

sub secure{ return 1 }
sub encrypt_mode { return 'explicit' }

1;
