package CPANBridge::Chain;

use strict;
use warnings;

use Carp ();
use CPANBridge::Envelope ();
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
        $$result .= _try(sub { field('data', 'crypto.chain_next', $handle->call('crypto.chain_next', _piece($data, 0, $length))) });
        return;
    }
    my ($bridge, @ahead) = CPANBridge::Shared::bridge()->available;
    for (my $at = 0; $at < $length; $at += PIECE) {
        push @ahead, $handle->send_call($bridge, 'crypto.chain_next', _piece($data, $at, $length - $at));
        $$result .= _wait($bridge, \@ahead) if @ahead > AHEAD;
    }
    $$result .= _wait($bridge, \@ahead) while @ahead;
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
    return _try(sub { field('data', 'crypto.chain_once', $answer) });
}

sub _piece {
    my ($data, $at, $left) = @_;
    return { data => bytes(substr $$data, $at, $left < PIECE ? $left : PIECE) };
}

# The answer to the first of the calls. If it failed, so did the chain; those behind it are not left to come in later.
sub _wait {
    my ($bridge, $tickets) = @_;
    my $ticket = shift @$tickets;
    my $data = eval { field('data', $ticket->method, $bridge->wait_for($ticket)) };
    return $data if defined $data;
    my $error = $@;
    for my $other (splice @$tickets) {
        eval { $bridge->wait_for($other); 1 } or CPANBridge::Error::is_one($@) or $error = $@;
    }
    return complain($error);
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

# Bytes are bytes to the broker either way; this keeps a flag that some other module set from making them characters.
sub bytes {
    my ($bytes) = @_;
    utf8::downgrade($bytes, 1) or Carp::croak(WIDE);
    return $bytes;
}

# One field of a call's result.
sub _call {
    my ($field, $method, $params) = @_;
    return _try(sub { field($field, $method, CPANBridge::Shared::bridge()->call($method, $params)) });
}

# Bytes of an answer. A broker that gives none is not to be told from one that lies.
sub field {
    my ($field, $method, $result) = @_;
    my $bytes = ref $result eq 'HASH' ? $result->{$field} : undef;
    die CPANBridge::Envelope::error('protocol', $method, "the broker's answer has no $field")
        if !defined $bytes || ref $bytes || !utf8::downgrade($bytes, 1);
    return $bytes;
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
    return complain(CPANBridge::Envelope::error('protocol', 'crypto.derive_key', "the broker's answer is no key of $length bytes"))
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

=head2 field

    my $bytes = CPANBridge::Chain::field($name, $method, $result);

Bytes of a call's result; dies with a protocol error where there are none.

=head2 complain

    CPANBridge::Chain::complain($error);

Dies: of the broker's error at the script's line, of anything else as it is.

=head2 pbkdf2

    my $bytes = CPANBridge::Chain::pbkdf2($digest, $passphrase, $salt, $iterations, $length);

=cut
