package LWP::Protocol::https;

# As http: the broker does the rest.

use strict;
use warnings;

use LWP::Protocol::http ();

our $VERSION = '6.68';
our @ISA = ('LWP::Protocol::http');

1;
