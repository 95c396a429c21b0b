package Crypt::Cipher::Twofish;

# A stand-in for CryptX's module of this name; see Crypt::Cipher.

use strict;
use warnings;

use Crypt::Cipher ();

our $VERSION = '0.077';
our @ISA     = ('Crypt::Cipher');

sub blocksize      { return Crypt::Cipher::blocksize('Twofish') }
sub keysize        { return Crypt::Cipher::keysize('Twofish') }
sub max_keysize    { return Crypt::Cipher::max_keysize('Twofish') }
sub min_keysize    { return Crypt::Cipher::min_keysize('Twofish') }
sub default_rounds { return Crypt::Cipher::default_rounds('Twofish') }

1;
