package URI::rtspu;

# rtspu (RFC 2326, 3.2). See URI.

use strict;
use warnings;

use URI::rtsp ();

our $VERSION = '5.17';
our @ISA = ('URI::rtsp');


1;
