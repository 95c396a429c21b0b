package LWP::Protocol::news;

# As nntp.

use strict;
use warnings;

use LWP::Protocol::nntp ();

our $VERSION = '6.68';
our @ISA = ('LWP::Protocol::nntp');

1;
