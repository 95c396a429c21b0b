package Crypt::Cipher::DES_EDE;

# A stand-in for CryptX's module of this name; see Crypt::Cipher.

use strict;
use warnings;

use Crypt::Cipher ();

our $VERSION = '0.077';
our @ISA     = ('Crypt::Cipher');

sub blocksize      { return Crypt::Cipher::blocksize('DES_EDE') }
sub keysize        { return Crypt::Cipher::keysize('DES_EDE') }
sub max_keysize    { return Crypt::Cipher::max_keysize('DES_EDE') }
sub min_keysize    { return Crypt::Cipher::min_keysize('DES_EDE') }
sub default_rounds { return Crypt::Cipher::default_rounds('DES_EDE') }

1;
