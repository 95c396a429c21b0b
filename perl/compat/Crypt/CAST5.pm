package Crypt::CAST5;

# A stand-in for Crypt::CAST5 0.05 that needs core Perl only: the broker cpan-bridge computes.

use strict;
use warnings;

use Carp qw(croak);
use CPANBridge::BlockCipher ();

our $VERSION = '0.05';
our @ISA     = ('CPANBridge::BlockCipher');

sub blocksize { return 8 }
sub keysize   { return 16 }

sub new {
    my ($class, $key) = @_;
    my $self = bless {}, ref $class || $class;
    $self->init($key) if defined $key;
    return $self;
}

sub init {
    my ($self, $key) = @_;
    my $keyed = $self->keyed('CAST5', $self->checked_key($key, 5, 16, $self->wrong_key));
    %$self = %$keyed;
    return $self;
}

sub wrong_key { return 'Key must be 40 to 128 bits' }

sub whole_block {
    my ($self, $block) = @_;
    croak 'Block size must be 8' if !defined $block || length $block != 8;
    croak 'Call init() first' if !defined $self->key;
    return $block;
}

1;
