package CPANBridge::Chain;

use strict;
use warnings;

use Carp ();
use CPANBridge::Ahead ();
use CPANBridge::Bytes ();
use CPANBridge::Error ();
use CPANBridge::Handle ();
use CPANBridge::Shared ();

our $VERSION = '0.100';

# What goes in one message, and how many messages are on their way before an answer is waited for: the broker works on one
# while this process prepares the next and reads the last. With these two, memory stays bounded whatever the size of the
# data, other callers are served in between, and neither side waits for the other for long; larger messages gain nothing.
use constant PIECE => 1 << 17;
use constant AHEAD => 3;
use constant WIDE => 'Wide character in the data: encode it first';

sub new {
    my ($class, %fields) = @_;
    return bless {%fields}, $class;
}

# The first $length bytes of $$data through the chain, whole blocks where the mode wants them. The result goes behind
# $$result: data that may be large is neither copied nor returned.
sub next {    ## no critic (ProhibitBuiltinHomonyms)
    my ($self, $result, $data, $length) = @_;
    return if !$length;
    my $handle = $self->{handle} ||= _try(sub {
        CPANBridge::Handle->make(CPANBridge::Shared::bridge(), 'crypto.chain_new', $self->_keyed, id => 'chain_id', free => 'crypto.chain_free');
    });
    if ($length <= PIECE) {
        $$result .= _try(sub { CPANBridge::Bytes::in_answer('data', 'crypto.chain_next', $handle->call('crypto.chain_next', _piece($data, 0, $length))) });
        return;
    }
    my $ahead = CPANBridge::Ahead->new(CPANBridge::Shared::bridge(), AHEAD);
    my $take = sub { _try(sub { CPANBridge::Bytes::in_answer('data', 'crypto.chain_next', $ahead->take) }) };
    for (my $at = 0; $at < $length; $at += PIECE) {
        $$result .= $take->() if !$ahead->has_room;
        $ahead->add($handle->send_call($ahead->bridge, 'crypto.chain_next', _piece($data, $at, $length - $at)));
    }
    $$result .= $take->() while !$ahead->is_empty;
    return;
}

# The last of it, with $tail behind. A short message that never was in pieces takes one call and leaves nothing behind.
sub last {    ## no critic (ProhibitBuiltinHomonyms)
    my ($self, $result, $data, $length, $tail) = @_;
    if (!$self->{handle} && $length + length $tail <= PIECE) {
        return if !$length && !length $tail;
        $$result .= $self->_once(substr($$data, 0, $length) . $tail);
        return;
    }
    $self->next($result, $data, $length);
    $self->next($result, \$tail, length $tail);
    $self->free;
    return;
}

# All of a short message. Scripts do this for each record of a file: what other calls leave to functions is spelled out here, which
# saves a twentieth of the time.
sub _once {
    my ($self, $bytes) = @_;
    my ($key, $iv) = @{$self}{qw(key iv)};
    utf8::downgrade($_, 1) or Carp::croak(WIDE) for $bytes, $key, $iv;
    my %params = (cipher => $self->{cipher}, chain_mode => $self->{chain_mode}, direction => $self->{direction}, key => $key, iv => $iv, data => $bytes);
    my $answer;
    eval { $answer = CPANBridge::Shared::bridge()->call('crypto.chain_once', \%params); 1 } or return complain($@);
    my $made = ref $answer eq 'HASH' ? $answer->{data} : undef;
    return $made if defined $made && !ref $made && utf8::downgrade($made, 1);
    return _try(sub { CPANBridge::Bytes::in_answer('data', 'crypto.chain_once', $answer) });
}

sub _piece {
    my ($data, $at, $left) = @_;
    return { data => bytes(substr $$data, $at, $left < PIECE ? $left : PIECE) };
}

sub free {
    my ($self) = @_;
    my $handle = delete $self->{handle};
    $handle->free if $handle;
    return;
}

sub _keyed {
    my ($self) = @_;
    return {
        cipher     => $self->{cipher},
        chain_mode => $self->{chain_mode},
        direction  => $self->{direction},
        key        => bytes($self->{key}),
        iv         => bytes($self->{iv}),
    };
}

# Bytes that a script gave.
sub bytes {
    my $bytes = CPANBridge::Bytes::of($_[0]);
    return defined $bytes ? $bytes : Carp::croak(WIDE);
}

# One field of a call's result.
sub _call {
    my ($field, $method, $params) = @_;
    return _try(sub { CPANBridge::Bytes::in_answer($field, $method, CPANBridge::Shared::bridge()->call($method, $params)) });
}

sub _try {
    my ($work) = @_;
    my $result = eval { $work->() };
    return $result if defined $result;
    return complain($@);
}

sub complain {
    my ($error) = @_;
    die $error if !CPANBridge::Error::is_one($error);
    Carp::croak($error->message);
}

# PBKDF2 with HMAC, by a worker of the broker.
sub pbkdf2 {
    my ($digest, $passphrase, $salt, $iterations, $length) = @_;
    my $hex = _call('key_hex', 'crypto.derive_key', {
        kdf        => 'PBKDF2',
        digest     => $digest,
        passphrase => bytes($passphrase),
        salt       => bytes($salt),
        iterations => $iterations,
        length     => $length,
    });
    return complain(CPANBridge::Error::bad_answer('crypto.derive_key', "is no key of $length bytes"))
        if $hex !~ /\A[0-9a-f]*\z/i || length $hex != 2 * $length;
    return pack 'H*', $hex;
}

1;

__END__

=encoding utf8

=head1 NAME

CPANBridge::Chain - a block cipher in a chain mode, computed by the broker (used by the stand-ins)

=head1 SYNOPSIS

    my $chain = CPANBridge::Chain->new(
        cipher => 'AES', chain_mode => 'cbc', direction => 'encrypt', key => $key, iv => $iv);
    my $ciphertext = '';
    $chain->next(\$ciphertext, \$first, length $first);
    $chain->last(\$ciphertext, \$rest, length $rest, $padding);

=head1 METHODS

=head2 new

=head2 next

    $chain->next(\$result, \$data, $length);

The first C<$length> bytes of the data through the chain, and what comes of them behind the result: whole blocks in C<ecb>,
C<cbc> and C<pcbc>. Large data goes in messages of 128 KiB, of which a few are on their way at any time.

=head2 last

    $chain->last(\$result, \$data, $length, $tail);

The last of the data, with some bytes behind it. If it is all there is, and short, one call does it.

=head2 free

Gives up what the broker keeps for the chain; the same happens when the object goes. See L<CPANBridge::Handle>: a chain is the process's
that began it.

=head1 FUNCTIONS

=head2 bytes

    my $bytes = CPANBridge::Chain::bytes($string);

The string without Perl's flag for characters; croaks if it has characters that are no bytes.

=head2 complain

    CPANBridge::Chain::complain($error);

Dies: of the broker's error at the script's line, of anything else as it is.

=head2 pbkdf2

    my $bytes = CPANBridge::Chain::pbkdf2($digest, $passphrase, $salt, $iterations, $length);

=cut
