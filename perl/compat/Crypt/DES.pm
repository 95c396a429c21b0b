package Crypt::DES;

# A stand-in for Crypt::DES 2.07 that needs core Perl only: the broker cpan-bridge computes.

use strict;
use warnings;

use Carp qw(croak);
use CPANBridge::BlockCipher ();
use Exporter ();

our $VERSION   = '2.07';
our @ISA       = qw(CPANBridge::BlockCipher Exporter);
our @EXPORT_OK = ();

sub blocksize { return 8 }
sub keysize   { return 8 }

sub new {
    my ($class, $key) = @_;
    croak 'Usage: Crypt::DES::new(new DES key)' if @_ != 2;
    return $class->keyed('DES', $class->checked_key($key, 8, 8, 'Invalid key'));
}

sub encrypt {
    croak 'Usage: Crypt::DES::encrypt(encrypt data[8 bytes])' if @_ != 2;
    return CPANBridge::BlockCipher::encrypt(@_);
}

sub decrypt {
    croak 'Usage: Crypt::DES::decrypt(decrypt data[8 bytes])' if @_ != 2;
    return CPANBridge::BlockCipher::decrypt(@_);
}

1;
