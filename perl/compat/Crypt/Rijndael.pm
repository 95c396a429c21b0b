package Crypt::Rijndael;

# A stand-in for Crypt::Rijndael 1.16 that needs core Perl only: the broker cpan-bridge computes.

use strict;
use warnings;

use Carp qw(croak);
use CPANBridge::BlockCipher ();

our $VERSION = '1.16';
our @ISA     = ('CPANBridge::BlockCipher');

sub MODE_ECB  { return 1 }
sub MODE_CBC  { return 2 }
sub MODE_CFB  { return 3 }
# The original has the name, and refuses the mode.
sub MODE_PCBC { return 4 }
sub MODE_OFB  { return 5 }
sub MODE_CTR  { return 6 }

my %CHAIN_MODE = (1 => 'ecb', 2 => 'cbc', 3 => 'cfb', 5 => 'ofb', 6 => 'ctr');

sub blocksize { return 16 }
sub keysize   { return 32 }

sub new {
    my ($class, $key, $mode) = @_;
    croak 'Usage: Crypt::Rijndael::new(class, key, mode=MODE_ECB)' if @_ < 2 || @_ > 3;
    croak 'Key must be an untainted string scalar' if !defined $key || ref $key;
    croak 'Wrong key length: key must be 128, 192 or 256 bits long' if length($key) !~ /\A(?:16|24|32)\z/;
    my $chain_mode = $CHAIN_MODE{ defined $mode ? $mode : MODE_ECB() }
        or croak 'Illegal mode, see documentation for valid modes';
    my $self = $class->keyed('AES', $key);
    @{$self}{qw(chain_mode iv)} = ($chain_mode, "\0" x 16);
    return $self;
}

sub set_iv {
    my ($self, $iv) = @_;
    croak 'Usage: Crypt::Rijndael::set_iv(self, data)' if @_ != 2;
    $self->{iv} = _checked_iv('set_iv', $iv);
    return $self;
}

sub get_iv { return $_[0]->{iv} }

sub _checked_iv {
    my ($method, $iv) = @_;
    my $length = defined $iv ? length $iv : 0;
    croak "$method: initial value must be the blocksize (16 bytes), but was $length bytes" if $length != 16;
    return $iv;
}

sub encrypt {
    croak 'Usage: Crypt::Rijndael::encrypt(self, data, iv = self->iv)' if @_ < 2 || @_ > 3;
    return _through('encrypt', @_);
}

sub decrypt {
    croak 'Usage: Crypt::Rijndael::decrypt(self, data, iv = self->iv)' if @_ < 2 || @_ > 3;
    return _through('decrypt', @_);
}

# The initialization vector stays what it is: every call begins with it.
sub _through {
    my ($direction, $self, $data, $iv) = @_;
    return '' if !defined $data || !length $data;
    croak 'encrypt: datasize not multiple of blocksize (16 bytes)' if length($data) % 16;
    return $self->blocks($direction, $data) if $self->{chain_mode} eq 'ecb';
    return $self->chained($self->{chain_mode}, $direction, defined $iv ? _checked_iv($direction, $iv) : $self->{iv}, $data);
}

1;
