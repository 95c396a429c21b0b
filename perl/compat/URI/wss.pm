package URI::wss;

# wss (RFC 6455, 3). See URI.

use strict;
use warnings;

use URI::https ();

our $VERSION = '5.17';
our @ISA = ('URI::https');


1;
