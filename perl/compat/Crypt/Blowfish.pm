package Crypt::Blowfish;

# A stand-in for Crypt::Blowfish 2.14 that needs core Perl only: the broker cpan-bridge computes.

use strict;
use warnings;

use Carp qw(croak);
use CPANBridge::BlockCipher ();
use Exporter ();

our $VERSION   = '2.14';
our @ISA       = qw(CPANBridge::BlockCipher Exporter);
our @EXPORT_OK = qw(blocksize keysize min_keysize max_keysize new encrypt decrypt);

sub blocksize   { return 8 }
# As the original: none, for keys are of many lengths.
sub keysize     { return 0 }
sub min_keysize { return 8 }
sub max_keysize { return 56 }

sub new {
    my ($class, $key) = @_;
    croak 'Usage: Crypt::Blowfish::new(new Blowfish key)' if @_ != 2;
    return $class->keyed('Blowfish', $class->checked_key($key, 8, 56, 'Invalid length key'));
}

sub encrypt {
    croak 'Usage: Crypt::Blowfish::encrypt(encrypt data[8 bytes])' if @_ != 2;
    return CPANBridge::BlockCipher::encrypt(@_);
}

sub decrypt {
    croak 'Usage: Crypt::Blowfish::decrypt(decrypt data[8 bytes])' if @_ != 2;
    return CPANBridge::BlockCipher::decrypt(@_);
}

1;
