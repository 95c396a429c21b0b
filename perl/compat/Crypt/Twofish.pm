package Crypt::Twofish;

# A stand-in for Crypt::Twofish 2.17 that needs core Perl only: the broker cpan-bridge computes.

use strict;
use warnings;

use Carp qw(croak);
use CPANBridge::BlockCipher ();

our $VERSION = '2.17';
our @ISA     = ('CPANBridge::BlockCipher');

sub blocksize { return 16 }
sub keysize   { return 16 }

sub new {
    my ($class, $key) = @_;
    croak 'Usage: Crypt::Twofish->new($key)' if !$key;
    croak 'key must be 16, 24, or 32 bytes long' if length($key) !~ /\A(?:16|24|32)\z/;
    return $class->keyed('Twofish', $key);
}

sub encrypt {
    my ($self, $data) = @_;
    croak 'Usage: $cipher->encrypt($data)' if !ref $self || !$data;
    return CPANBridge::BlockCipher::encrypt($self, $data);
}

sub decrypt {
    my ($self, $data) = @_;
    croak 'Usage: $cipher->decrypt($data)' if !ref $self || !$data;
    return CPANBridge::BlockCipher::decrypt($self, $data);
}

# The functions of version 1.0, which the original still has.
sub Encipher {
    my ($key, undef, $plaintext) = @_;
    require Crypt::CBC;
    return Crypt::CBC->new($key, 'Twofish')->encrypt($plaintext);
}

sub Decipher {
    my ($key, undef, $ciphertext) = @_;
    require Crypt::CBC;
    return Crypt::CBC->new($key, 'Twofish')->decrypt($ciphertext);
}

sub LastError    { return '' }
sub CheckTwofish { return undef }    ## no critic (ProhibitExplicitReturnUndef)

1;
