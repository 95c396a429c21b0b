package Crypt::Cipher::IDEA;

# A stand-in for CryptX's module of this name; see Crypt::Cipher.

use strict;
use warnings;

use Crypt::Cipher ();

our $VERSION = '0.077';
our @ISA     = ('Crypt::Cipher');

sub blocksize      { return Crypt::Cipher::blocksize('IDEA') }
sub keysize        { return Crypt::Cipher::keysize('IDEA') }
sub max_keysize    { return Crypt::Cipher::max_keysize('IDEA') }
sub min_keysize    { return Crypt::Cipher::min_keysize('IDEA') }
sub default_rounds { return Crypt::Cipher::default_rounds('IDEA') }

1;
