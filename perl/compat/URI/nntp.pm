package URI::nntp;

# nntp (RFC 5538). See URI.

use strict;
use warnings;

use URI::news ();

our $VERSION = '5.17';
our @ISA = ('URI::news');


1;
