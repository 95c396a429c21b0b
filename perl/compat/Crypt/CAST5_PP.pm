package Crypt::CAST5_PP;

# A stand-in for Crypt::CAST5_PP 1.04: the broker cpan-bridge computes.

use strict;
use warnings;

use Crypt::CAST5 ();

our $VERSION = '1.04';
our @ISA     = ('Crypt::CAST5');

sub wrong_key { return 'Key length must be 40 to 128 bits' }

1;
