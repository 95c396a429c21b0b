package CPANBridge::BlockCipher;

use strict;
use warnings;

use Carp ();
use CPANBridge::Bytes ();
use CPANBridge::Chain ();
use CPANBridge::Error ();
use CPANBridge::Handle ();
use CPANBridge::Shared ();

our $VERSION = '0.100';

# A block cipher as modules of one block a call have it. The first block of a direction is one call that leaves nothing behind, as few
# scripts need a second; from then on the broker keeps the keyed cipher. As the key is at hand, a child, a thread, and whoever finds the
# broker started anew get another one.
sub keyed {
    my ($class, $algorithm, $key) = @_;
    return bless { algorithm => $algorithm, key => CPANBridge::Chain::bytes($key), }, ref $class || $class;
}

# What a chain needs that is to stay in the broker.
sub algorithm { return $_[0]->{algorithm} }
sub key       { return $_[0]->{key} }

# Whole blocks, each by itself.
sub blocks {
    my ($self, $direction, $data) = @_;
    return $self->chained('ecb', $direction, '', $data) if !$self->{used}{$direction}++ || length $data > CPANBridge::Chain::PIECE;
    # The exception that a script looks at stays its own, unless there is another.
    my $before = $@;
    my $result = eval { $self->_kept_blocks($direction, $data) };
    return CPANBridge::Chain::complain($@) if !defined $result;
    $@ = $before;
    return $result;
}

sub _kept_blocks {
    my ($self, $direction, $data) = @_;
    my $params = { data => CPANBridge::Chain::bytes($data) };
    my $handle = $self->{$direction};
    if ($handle && $handle->is_mine) {
        my $result = eval { $handle->call('crypto.chain_next', $params) };
        return CPANBridge::Bytes::in_answer('data', 'crypto.chain_next', $result) if defined $result;
        die $@ if !CPANBridge::Error::is_one($@) || $@->code ne 'not_found';
    }
    $handle = $self->{$direction} = CPANBridge::Handle->make(
        CPANBridge::Shared::bridge(),
        'crypto.chain_new',
        { cipher => $self->{algorithm}, chain_mode => 'ecb', direction => $direction, key => $self->{key} },
        id   => 'chain_id',
        free => 'crypto.chain_free',
    );
    return CPANBridge::Bytes::in_answer('data', 'crypto.chain_next', $handle->call('crypto.chain_next', $params));
}

# Whole blocks in a chain mode, from its beginning.
sub chained {
    my ($self, $mode, $direction, $iv, $data) = @_;
    my $before = $@;
    my $result = '';
    CPANBridge::Chain->new(cipher => $self->{algorithm}, chain_mode => $mode, direction => $direction, key => $self->{key}, iv => $iv)
        ->last(\$result, \$data, length $data, '');
    $@ = $before;
    return $result;
}

# One block a call, as most of these modules have it.
sub encrypt { my ($self, $block) = @_; return $self->blocks('encrypt', $self->whole_block($block)) }
sub decrypt { my ($self, $block) = @_; return $self->blocks('decrypt', $self->whole_block($block)) }

sub whole_block {
    my ($self, $block) = @_;
    my $size = $self->blocksize;
    Carp::croak("input must be $size bytes long") if !defined $block || length $block != $size;
    return $block;
}

# A key of one of these lengths, in bytes; else $words are what the original says.
sub checked_key {
    my ($class, $key, $least, $most, $words) = @_;
    my $length = defined $key ? length $key : 0;
    Carp::croak($words) if $length < $least || $length > $most;
    return $key;
}

1;

__END__

=encoding utf8

=head1 NAME

CPANBridge::BlockCipher - a block cipher that encrypts one block a call (used by the stand-ins)

=head1 SYNOPSIS

    our @ISA = ('CPANBridge::BlockCipher');
    sub blocksize { return 8 }
    sub new { my ($class, $key) = @_; return $class->keyed('Blowfish', $class->checked_key($key, 8, 56, 'Invalid length key')) }

=head1 DESCRIPTION

What Crypt::Blowfish, Crypt::DES and their kin are made of. The object has the key, in this process; the broker has the keyed cipher from
the second block of a direction on. A child after C<fork> and a thread get a cipher of their own when they need one, and so does an object
whose broker was started anew.

=head1 METHODS

=head2 keyed

    my $cipher = $class->keyed($algorithm, $key);

An object for a cipher of the broker's (see C<crypto.chain_new> in F<docs/crypto.md>). The key is of a length that the cipher takes.

=head2 checked_key

    my $key = $class->checked_key($key, $least, $most, $words);

The key, if it has so many bytes; else croaks with C<$words>.

=head2 algorithm

=head2 key

What it was made of: Crypt::CBC lets the broker chain such a cipher.

=head2 blocks

    my $data = $cipher->blocks('encrypt', $blocks);

Whole blocks, each by itself (ECB). Croaks at the caller's line.

=head2 chained

    my $data = $cipher->chained($mode, $direction, $iv, $blocks);

The same in a chain mode, which begins with the initialization vector.

=head2 encrypt

=head2 decrypt

One block.

=head2 whole_block

    my $block = $cipher->whole_block($block);

The block, if it is one; else croaks.

=cut
