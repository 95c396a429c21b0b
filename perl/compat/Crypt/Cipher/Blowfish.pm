package Crypt::Cipher::Blowfish;

# A stand-in for CryptX's module of this name; see Crypt::Cipher.

use strict;
use warnings;

use Crypt::Cipher ();

our $VERSION = '0.077';
our @ISA     = ('Crypt::Cipher');

sub blocksize      { return Crypt::Cipher::blocksize('Blowfish') }
sub keysize        { return Crypt::Cipher::keysize('Blowfish') }
sub max_keysize    { return Crypt::Cipher::max_keysize('Blowfish') }
sub min_keysize    { return Crypt::Cipher::min_keysize('Blowfish') }
sub default_rounds { return Crypt::Cipher::default_rounds('Blowfish') }

1;
