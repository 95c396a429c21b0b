package Crypt::Cipher;

# A stand-in for CryptX's Crypt::Cipher (as of 0.077), for the ciphers that the broker cpan-bridge has.

use strict;
use warnings;

use Carp qw(croak);
use CPANBridge::BlockCipher ();

our $VERSION = '0.077';
our @ISA     = ('CPANBridge::BlockCipher');

# The broker's name; bytes of a block; bytes of the shortest and the longest key, and a pattern of lengths; rounds.
my %CIPHER = (
    AES      => ['AES',      16, 16, 32, qr/\A(?:16|24|32)\z/, 10],
    Blowfish => ['Blowfish', 8,  8,  56, undef,                16],
    CAST5    => ['CAST5',    8,  5,  16, undef,                16],
    DES      => ['DES',      8,  8,  8,  undef,                16],
    DES_EDE  => ['DES_EDE3', 8,  16, 24, qr/\A(?:16|24)\z/,    16],
    IDEA     => ['IDEA',     8,  16, 16, undef,                8],
    Twofish  => ['Twofish',  16, 16, 32, qr/\A(?:16|24|32)\z/, 16],
);

sub new {
    my $class = shift;
    my $name = $class eq __PACKAGE__ ? shift : $class;
    my ($key, $rounds) = @_;
    my $known = _known($name);
    croak 'FATAL: key must be string scalar' if !defined $key || ref $key;
    my (undef, undef, $least, $most, $lengths) = @$known;
    my $length = length $key;
    croak 'FATAL: cipher setup failed: Invalid key size.' if $length < $least || $length > $most || $lengths && $length !~ $lengths;
    croak 'FATAL: cipher setup failed: Invalid number of rounds for block cipher.'
        if $rounds && $rounds != ($known->[0] eq 'AES' ? $length / 4 + 6 : $known->[5]);
    # With two keys the third is the first.
    $key .= substr $key, 0, 8 if $known->[0] eq 'DES_EDE3' && $length == 16;
    my $self = $class->keyed($known->[0], $key);
    $self->{name} = _short($name);
    return $self;
}

sub blocksize      { return _of(1, @_) }
sub keysize        { return _of(3, @_) }
sub max_keysize    { return _of(3, @_) }
sub min_keysize    { return _of(2, @_) }
sub default_rounds { return _of(5, @_) }

# An object's, a class's, or by a name: Crypt::Cipher->keysize('AES'), Crypt::Cipher::keysize('AES').
sub _of {
    my ($column, @names) = @_;
    return _known($names[0]->{name})->[$column] if ref $names[0];
    shift @names if @names > 1 && $names[0] eq __PACKAGE__;
    return _known($names[0])->[$column];
}

sub _short {
    my ($name) = @_;
    $name =~ s/\ACrypt::Cipher:://;
    return $name;
}

sub _known {
    my ($name) = @_;
    $name = '' if !defined $name;
    return $CIPHER{ _short($name) } || croak "FATAL: find_cipfer failed for '$name'";
}

sub whole_block {
    my ($self, $block) = @_;
    my $size = $self->blocksize;
    croak 'FATAL: input must be a string scalar' if !defined $block || ref $block;
    croak "FATAL: input size not equal to blocksize ($size)" if length $block != $size;
    return $block;
}

# Nothing of nothing, as the original.
sub encrypt { return defined $_[1] && !length $_[1] ? '' : CPANBridge::BlockCipher::encrypt(@_) }
sub decrypt { return defined $_[1] && !length $_[1] ? '' : CPANBridge::BlockCipher::decrypt(@_) }

1;
