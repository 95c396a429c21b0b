package Crypt::Cipher::CAST5;

# A stand-in for CryptX's module of this name; see Crypt::Cipher.

use strict;
use warnings;

use Crypt::Cipher ();

our $VERSION = '0.077';
our @ISA     = ('Crypt::Cipher');

sub blocksize      { return Crypt::Cipher::blocksize('CAST5') }
sub keysize        { return Crypt::Cipher::keysize('CAST5') }
sub max_keysize    { return Crypt::Cipher::max_keysize('CAST5') }
sub min_keysize    { return Crypt::Cipher::min_keysize('CAST5') }
sub default_rounds { return Crypt::Cipher::default_rounds('CAST5') }

1;
