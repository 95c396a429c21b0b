package Crypt::Cipher::AES;

# A stand-in for CryptX's module of this name; see Crypt::Cipher.

use strict;
use warnings;

use Crypt::Cipher ();

our $VERSION = '0.077';
our @ISA     = ('Crypt::Cipher');

sub blocksize      { return Crypt::Cipher::blocksize('AES') }
sub keysize        { return Crypt::Cipher::keysize('AES') }
sub max_keysize    { return Crypt::Cipher::max_keysize('AES') }
sub min_keysize    { return Crypt::Cipher::min_keysize('AES') }
sub default_rounds { return Crypt::Cipher::default_rounds('AES') }

1;
