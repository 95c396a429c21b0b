package Crypt::Rijndael_PP;

# A stand-in for Crypt::Rijndael_PP 0.05: the broker cpan-bridge computes. Blocks are of 16 bytes, as in AES.

use strict;
use warnings;

use Carp qw(carp croak);
use CPANBridge::BlockCipher ();
use Exporter ();

our $VERSION     = 0.05;
our @ISA         = qw(CPANBridge::BlockCipher Exporter);
our @EXPORT      = qw(rijndael_encrypt rijndael_decrypt);
our @EXPORT_OK   = qw(MODE_ECB MODE_CBC MODE_CFB1);
our %EXPORT_TAGS = (all => [@EXPORT, @EXPORT_OK]);
our $DEFAULT_BLOCKSIZE = 128;
our $DEFAULT_KEYSIZE   = 256;

sub MODE_ECB()  { return 1 }
sub MODE_CBC()  { return 2 }
sub MODE_CFB1() { return 3 }

sub blocksize { return 16 }
sub keysize   { return 32 }

sub new {
    my ($class, $key, $mode) = @_;
    my $bits = 8 * length $key;
    croak 'BAD_KEY_MAT' if $bits !~ /\A(?:128|192|256)\z/;
    # The original warns of it as well.
    carp "Crypt::Rijndael_PP: set keysize to $bits." if $bits != $DEFAULT_KEYSIZE;
    my $self = $class->keyed('AES', $key);
    $self->{chain_mode} = _chain_mode($mode);
    return $self;
}

sub _chain_mode {
    my ($mode) = @_;
    return 'ecb' if !defined $mode || $mode eq MODE_ECB;
    return 'cbc' if $mode eq MODE_CBC;
    croak $mode eq MODE_CFB1 ? 'feedback of single bits (MODE_CFB1) is not offered' : 'BAD_CIPHER_MODE';
}

sub encrypt { my ($self, $data) = @_; return _through($self, 'encrypt', $data) }
sub decrypt { my ($self, $data) = @_; return _through($self, 'decrypt', $data) }

sub _through {
    my ($self, $direction, $data) = @_;
    return if !defined $data || !length $data;
    $data .= "\0" x (-length($data) % 16);
    return $self->{chain_mode} eq 'ecb' ? $self->blocks($direction, $data) : $self->chained('cbc', $direction, "\0" x 16, $data);
}

# The key is in hex digits here, and what is missing of key or data is made up for by zero digits and bytes of "0".
sub rijndael_encrypt($$$;$$) {    ## no critic (ProhibitSubroutinePrototypes)
    my ($key, $mode, $data, $bits, $block_bits) = @_;
    my $self = _of_hex('rijndael_encrypt', $key, $mode, $bits, $block_bits);
    my $missing = -length($data) % 16;
    if ($missing) {
        carp 'rijndael_encrypt: padded data to multiple of blocksize (128)';
        $data .= '0' x $missing;
    }
    return _through($self, 'encrypt', $data);
}

sub rijndael_decrypt($$$;$$) {    ## no critic (ProhibitSubroutinePrototypes)
    my ($key, $mode, $data, $bits, $block_bits) = @_;
    return _through(_of_hex('rijndael_decrypt', $key, $mode, $bits, $block_bits), 'decrypt', $data);
}

sub _of_hex {
    my ($function, $key, $mode, $bits, $block_bits) = @_;
    $bits = 128 if !defined $bits;
    croak 'blocks are of 128 bits here, as in AES' if defined $block_bits && $block_bits != 128;
    my $digits = $bits / 4;
    if (length $key < $digits) {
        carp "$function: padded key to keysize ($bits)";
        $key .= '0' x ($digits - length $key);
    }
    elsif (length $key > $digits) {
        carp "$function: truncated key to keysize ($bits)";
        $key = substr $key, 0, $digits;
    }
    my $self = __PACKAGE__->keyed('AES', pack 'H*', $key);
    $self->{chain_mode} = _chain_mode($mode);
    return $self;
}

1;
