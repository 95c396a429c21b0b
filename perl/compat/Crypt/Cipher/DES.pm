package Crypt::Cipher::DES;

# A stand-in for CryptX's module of this name; see Crypt::Cipher.

use strict;
use warnings;

use Crypt::Cipher ();

our $VERSION = '0.077';
our @ISA     = ('Crypt::Cipher');

sub blocksize      { return Crypt::Cipher::blocksize('DES') }
sub keysize        { return Crypt::Cipher::keysize('DES') }
sub max_keysize    { return Crypt::Cipher::max_keysize('DES') }
sub min_keysize    { return Crypt::Cipher::min_keysize('DES') }
sub default_rounds { return Crypt::Cipher::default_rounds('DES') }

1;
