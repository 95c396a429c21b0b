package CPANBridge::Connection;

use strict;
use warnings;

use CPANBridge::Lane ();
use Errno qw(EAGAIN ECONNRESET EINTR EPIPE EWOULDBLOCK);
use Socket ();

our $VERSION = '0.100';

# What these are on this machine, in place of what they are on most.
($CPANBridge::Lane::STREAM, $CPANBridge::Lane::LEVEL, $CPANBridge::Lane::SEND_LIMIT, $CPANBridge::Lane::READ_LIMIT)
    = (Socket::SOCK_STREAM(), Socket::SOL_SOCKET(), Socket::SO_SNDTIMEO(), Socket::SO_RCVTIMEO());
# An older Socket does not have it.
{
    my $eval_error = $@;
    local $!;
    local $SIG{__DIE__} = 'DEFAULT';
    my $number = eval { Socket::SO_PEERCRED() };
    # What a signal's handler died of is its business.
    die $@ if !defined $number && (ref $@ || $@ !~ /SO_PEERCRED/);
    $CPANBridge::Lane::PEER = $number if $number;
    $@ = $eval_error;
}
CPANBridge::Lane::now();

# The largest message that a broker can send, by its settings; what is more is no length.
sub MAX_FRAME () { 1 << 30 }

# Who has nothing left of its time gets what is there already: so many reads at most, because a peer may send without end.
sub LATE_READS () { 64 }

# Some thirty years.
sub LONGEST_WAIT () { 1e9 }

# Connects: (connection), or () with $! set. $timeout limits the wait for a broker whose queue is full. Whoever listens is to be this user,
# root, or one that the locator accepts: a directory that was looked at may have been exchanged since. (undef, user) if it is somebody else,
# or (undef, -1) if the kernel does not say.
sub open {    ## no critic (ProhibitBuiltinHomonyms)
    my ($class, $path, $timeout, $locator) = @_;
    my ($handle, $user) = CPANBridge::Lane::dial($path, $timeout);
    my $deadline = CPANBridge::Lane::now() + $timeout;
    while (!$handle) {
        return if $! != EINTR || CPANBridge::Lane::now() >= $deadline;
        ($handle, $user) = CPANBridge::Lane::dial($path, $timeout);
    }
    return CPANBridge::Lane::accepts($locator, $path, $user) ? CPANBridge::Lane::connection($handle, $user, $path) : (undef, $user);
}

# Whether this process and thread may use the connection: after a fork it is the parent's.
sub is_mine { return $_[0]->{process} == $$ + $CPANBridge::Lane::THREAD }

sub limit_frames {
    my ($self, $bytes) = @_;
    $self->{max_frame} = $bytes < MAX_FRAME ? $bytes : MAX_FRAME;
    return $self;
}

# The user who listens at the other end, by the kernel's word.
sub listener { return $_[0]->{user} }

sub path   { return $_[0]->{path} }
sub handle { return $_[0]->{handle} }

# How many bytes the kernel took so far.
sub sent { return $_[0]->{sent} }

# How many bytes it was given to send so far.
sub queued { return $_[0]->{sent} + length $_[0]->{out} }

# Whether part of a message waits to be sent, or to be completed by the broker.
sub has_unsent { return length $_[0]->{out} ? 1 : 0 }

# Sends what fits without waiting; the rest is kept. False, with $! set, if the broker is gone: nothing that is kept can
# have been acted on then, because a message is acted on only when it is whole.
sub send_now {
    my ($self, undef) = @_;
    if (length $self->{out}) {
        $self->{out} .= $_[1];
        return $self->_push;
    }
    my $sent = send $self->{handle}, $_[1], CPANBridge::Lane::SEND_FLAGS;
    return $self->_keep_unsent($sent, $_[1]) if !defined $sent || $sent != length $_[1];
    $self->{sent} += $sent;
    return 1;
}

# What `send` left of bytes: kept and tried again, if the broker is there.
sub _keep_unsent {
    my ($self, $sent, undef) = @_;
    return 0 if !defined $sent && !_would_block();
    $self->{sent} += $sent || 0;
    $self->{out} = substr $_[2], $sent || 0;
    return $self->_push;
}

# What no byte was taken of will not be sent any more.
sub forget_unsent {
    my ($self) = @_;
    $self->{out} = '';
    return;
}

sub _push {
    my ($self) = @_;
    my $out = \$self->{out};
    while (length $$out) {
        my $sent = send $self->{handle}, $$out, CPANBridge::Lane::SEND_FLAGS;
        if (!defined $sent) {
            next if $! == EINTR;
            return _would_block();
        }
        $self->{sent} += $sent;
        substr $$out, 0, $sent, '';
    }
    return 1;
}

sub _would_block { return $! == EAGAIN || $! == EWOULDBLOCK }

# The fast way for the usual case, one request and its answer: one write, and one blocking read with the kernel's own time
# limit, no select. Returns whether the broker took the request (as `send_now` does), and the answer's frame with its length,
# or no frame if what came was not exactly one: then `receive` goes on.
sub exchange {
    my ($self, undef, $timeout) = @_;
    my $handle = $self->{handle};
    if (length $self->{out} || length $self->{in}) {
        return $self->send_now($_[1]);
    }
    return $self->send_now($_[1]) if $self->{read_limit} != $timeout && !CPANBridge::Lane::limit_reads($self, $timeout);
    my $sent = send $handle, $_[1], CPANBridge::Lane::SEND_FLAGS;
    my ($count, $bytes);
    $count = sysread $handle, $bytes, CPANBridge::Lane::READ_SIZE if defined $sent && $sent == length $_[1];
    return $self->exchanged($_[1], $sent, $count, $bytes);
}

# What came of sending a request and reading once, if all of it was sent. Returns what `exchange` does.
sub exchanged {
    my ($self, undef, $sent, $count, undef) = @_;
    return $self->_keep_unsent($sent, $_[1]) if !defined $sent || $sent != length $_[1];
    if (!$count) {
        # The kernel tells of a reset once; everything else `receive` finds out again.
        $self->_fail('reset') if !defined $count && $! == ECONNRESET;
        $self->{sent} += $sent;
        return 1;
    }
    $self->{sent} += $sent;
    return (1, $_[4]) if $count > 4 && unpack('N', $_[4]) == $count - 4;
    $self->{in} = $_[4];
    return 1;
}

# Waits until $deadline for a frame, sending meanwhile what is to be sent: a broker that holds back until its answers are
# taken must not wait for us while we wait for it. Returns (frame), or () with the reason in $self->{failure}: `timeout`,
# `end` (the broker closed after taking everything), `reset` (it closed without taking everything), `protocol`, `too_large`.
sub receive {
    my ($self, $deadline) = @_;
    my $late = 0;
    while (!$self->{failure}) {
        my $frame = $self->_cut;
        return $frame if defined $frame;
        return if $self->{failure} || !$self->more($deadline);
        # The usual answer is whole then, and nobody looks at the clock.
        next if $self->_is_whole;
        return $self->_fail('timeout') if $deadline <= CPANBridge::Lane::now() && ++$late >= LATE_READS;
    }
    return;
}

# Waits until $deadline for more bytes than are there, sending meanwhile. False with the reason in $self->{failure}.
sub more {
    my ($self, $deadline) = @_;
    while (!$self->{failure}) {
        # First without waiting: also who has no time left gets what is there.
        return 1 if $self->_pull;
        last if $self->{failure};
        my $left = $deadline - CPANBridge::Lane::now();
        return $self->_fail('timeout') if $left <= 0;
        $self->wait_ready($left);
        $self->_push if length $self->{out};
    }
    return;
}

# Waits for the socket. Signals cut the wait short; the caller looks at the clock and comes again.
sub wait_ready {
    my ($self, $seconds) = @_;
    my $readable = '';
    vec($readable, fileno $self->{handle}, 1) = 1;
    my $writable = length $self->{out} ? $readable : undef;
    return select $readable, $writable, undef, $seconds < LONGEST_WAIT ? $seconds : LONGEST_WAIT;
}

# Whether what is there ends within a message of so many bytes at the most, or in front of one.
sub has_part_of {
    my ($self, $most) = @_;
    my $length = length $self->{in};
    return $length < 4 || (unpack('N', $self->{in}) <= $most && !$self->_is_whole);
}

sub _is_whole {
    my ($self) = @_;
    my $length = length $self->{in};
    return $length >= 4 && $length >= 4 + unpack 'N', $self->{in};
}

sub _cut {
    my ($self) = @_;
    my $in = \$self->{in};
    return if length $$in < 4;
    my $length = unpack 'N', $$in;
    return $self->_fail('protocol') if !$length || $length > MAX_FRAME;
    return $self->_fail('too_large') if $length > $self->{max_frame};
    return if length $$in < 4 + $length;
    my $frame = substr $$in, 4, $length;
    substr $$in, 0, 4 + $length, '';
    return $frame;
}

# Reads what is there without waiting. Returns how many bytes.
sub _pull {
    my ($self) = @_;
    my $length = length $self->{in};
    my $missing = $length >= 4 ? 4 + unpack('N', $self->{in}) - $length : 0;
    my $count;
    if ($missing > CPANBridge::Lane::READ_SIZE) {
        # A large answer goes straight behind what is there of it, without a copy. sysread has no flag against waiting; what
        # select calls readable only this process reads.
        my $readable = '';
        vec($readable, fileno $self->{handle}, 1) = 1;
        return 0 if select($readable, undef, undef, 0) < 1;
        $count = sysread $self->{handle}, $self->{in}, $missing > 1 << 20 ? 1 << 20 : $missing, $length;
    }
    else {
        my $from = recv $self->{handle}, my $bytes, CPANBridge::Lane::READ_SIZE, CPANBridge::Lane::SEND_FLAGS;
        $count = defined $from ? length $bytes : undef;
        $self->{in} .= $bytes if $count;
    }
    if (!defined $count) {
        return 0 if _would_block() || $! == EINTR;
        return $self->_fail($! == ECONNRESET || $! == EPIPE ? 'reset' : 'end') || 0;
    }
    return $count || $self->_fail('end') || 0;
}

sub _fail {
    my ($self, $failure) = @_;
    # Running out of time says nothing about the connection; the others are its end.
    $self->{failure} = $failure;
    return;
}

sub failure { return delete $_[0]->{failure} }

1;

__END__

=encoding utf8

=head1 NAME

CPANBridge::Connection - one connection to a broker (used by CPANBridge)

=head1 DESCRIPTION

A socket, what was received and not cut into messages yet, what is to be sent and was not taken yet. No method waits longer
than it is told, none uses C<alarm>, and none can raise C<SIGPIPE>. The methods change C<$!>; L<CPANBridge> keeps that from
its callers.

=head1 METHODS

=head2 open

    my ($connection, $stranger) = CPANBridge::Connection->open($path, $seconds, $locator);

Connects, or returns nothing with the reason in C<$!>. If it is another user than this one and root who listens, and none whom the
L<CPANBridge::Locator> names, nothing is sent: the result is undef and that user's number, or -1 if the kernel does not tell.

=head2 is_mine

Whether this process and thread opened it: false after a fork, in the child, and in a thread that was made since.

=head2 listener

The number of the user who listens.

=head2 limit_frames

    $connection->limit_frames($bytes);

How long a message may be; 64 MiB if nobody says.

=head2 path

=head2 handle

The socket's path, and the handle.

=head2 sent

How many bytes were sent so far: if none, nothing can have been acted on.

=head2 queued

How many bytes it was given to send so far.

=head2 has_unsent

Whether part of a request waits to be sent.

=head2 send_now

    $connection->send_now($bytes) or ...;

Sends without waiting; what does not fit is kept and sent by the methods that wait. False if the broker is gone.

=head2 exchange

    my ($taken, $frame) = $connection->exchange($bytes, $seconds);

Sends as L</send_now> does, and reads once with the kernel's time limit. Whether the broker is there, and the frame with its
length, if the read brought exactly one; without a frame L</receive> has to go on.

=head2 exchanged

    my ($taken, $frame) = $connection->exchanged($bytes, $sent, $count, $received);

The same, for who did the two himself: what C<send> gave, and C<sysread> if all was sent. C<$!> has to be theirs.

=head2 receive

    my $message = $connection->receive($deadline);

Waits until a point of time by L<CPANBridge::Lane/now> for the next message. Nothing if there is none; L</failure> says why.

=head2 more

    $connection->more($deadline) or ...;

Waits until that point of time for more bytes. False if none come; L</failure> says why.

=head2 has_part_of

    $connection->has_part_of($bytes);

Whether what came ends within a message of so many bytes at the most, or in front of one: nothing is to be cut off yet.

=head2 forget_unsent

Drops what waits to be sent.

=head2 failure

Why L</receive> gave nothing: C<timeout>, C<end>, C<reset>, C<protocol> or C<too_large>. Asking clears it.

=head2 wait_ready

    $connection->wait_ready($seconds);

Waits until there is something to read, or room for what is to be sent.

=cut
