package CPANBridge::Chain;

use strict;
use warnings;

use Carp ();
use CPANBridge ();

our $VERSION = '0.100';

# What goes in one message: large enough that the way there and back does not count, small enough that other callers are
# served in between and that memory stays bounded whatever the size of the data.
use constant PIECE => 1 << 20;

# One connection for all chains of a process; after a fork the client opens the child's own.
my $BRIDGE;

sub bridge {
    $BRIDGE ||= CPANBridge->new;
    return $BRIDGE;
}

sub new {
    my ($class, %fields) = @_;
    return bless {%fields}, $class;
}

# The next piece, whole blocks where the mode wants them.
sub next {    ## no critic (ProhibitBuiltinHomonyms)
    my ($self, undef) = @_;
    return '' if !length $_[1];
    $self->{chain_id} = _call('crypto.chain_new', $self->_keyed)->{chain_id} if !defined $self->{chain_id};
    my $result = '';
    for (my $at = 0; $at < length $_[1]; $at += PIECE) {
        $result .= _call('crypto.chain_next', { chain_id => $self->{chain_id}, data => _bytes(substr $_[1], $at, PIECE) })->{data};
    }
    return $result;
}

# The last piece. A short message that never was in pieces takes one call and leaves nothing behind.
sub last {    ## no critic (ProhibitBuiltinHomonyms)
    my ($self, undef) = @_;
    if (!defined $self->{chain_id} && length $_[1] <= PIECE) {
        return '' if !length $_[1];
        return _call('crypto.chain_once', { %{ $self->_keyed }, data => _bytes($_[1]) })->{data};
    }
    my $result = $self->next($_[1]);
    $self->free;
    return $result;
}

sub free {
    my ($self) = @_;
    my $id = delete $self->{chain_id};
    # Nobody is to be told that what is not needed could not be freed; it ends by itself.
    eval { bridge()->call('crypto.chain_free', { chain_id => $id }) } if defined $id;
    return;
}

sub DESTROY {
    my ($self) = @_;
    return if !defined $self->{chain_id};
    local ($@, $!, $?);
    local $SIG{__DIE__} = 'DEFAULT';
    $self->free;
    return;
}

sub _keyed {
    my ($self) = @_;
    return {
        cipher     => $self->{cipher},
        chain_mode => $self->{chain_mode},
        direction  => $self->{direction},
        key        => _bytes($self->{key}),
        iv         => _bytes($self->{iv}),
    };
}

# Bytes are bytes to the broker either way; this keeps a flag that some other module set from making them characters.
sub _bytes {
    my ($bytes) = @_;
    utf8::downgrade($bytes, 1) or Carp::croak('Wide character in the data: encode it first');
    return $bytes;
}

sub _call {
    my ($method, $params) = @_;
    my $result = eval { bridge()->call($method, $params) };
    return $result if defined $result;
    my $error = $@;
    Carp::croak(ref $error ? $error->message : $error);
}

# PBKDF2 with HMAC, by a worker of the broker.
sub pbkdf2 {
    my ($digest, $passphrase, $salt, $iterations, $length) = @_;
    return pack 'H*', _call('crypto.derive_key', {
        kdf        => 'PBKDF2',
        digest     => $digest,
        passphrase => _bytes($passphrase),
        salt       => _bytes($salt),
        iterations => $iterations,
        length     => $length,
    })->{key_hex};
}

1;

__END__

=encoding utf8

=head1 NAME

CPANBridge::Chain - a block cipher in a chain mode, computed by the broker (used by the stand-ins)

=head1 SYNOPSIS

    my $chain = CPANBridge::Chain->new(
        cipher => 'AES', chain_mode => 'cbc', direction => 'encrypt', key => $key, iv => $iv);
    my $ciphertext = $chain->next($first) . $chain->last($rest);

=head1 METHODS

=head2 new

=head2 next

The next piece of data through the chain: whole blocks in C<cbc> and C<pcbc>. Large pieces go in messages of 1 MiB.

=head2 last

The last piece. If it is the only one, and short, one call does it all.

=head2 free

Gives up what the broker keeps for the chain; the destructor does the same.

=head1 FUNCTIONS

=head2 bridge

The L<CPANBridge> that all chains of the process use.

=head2 pbkdf2

    my $bytes = CPANBridge::Chain::pbkdf2($digest, $passphrase, $salt, $iterations, $length);

=cut
