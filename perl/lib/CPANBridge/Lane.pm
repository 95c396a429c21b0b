package CPANBridge::Lane;

use strict;
use warnings;

use CPANBridge::Parts ();
use CPANBridge::Wire ();

our $VERSION = '0.100';

# CPANBridge's package variables, which scripts set.
no warnings 'once';

# The fast way of a call: one write and one read on a connection on which nothing else is under way, with what the kernel does for time
# limits, and the usual forms of messages. What does not go smoothly is left to CPANBridge::Session, which this has to agree with.

# The lane itself is all that a call has in common with the one before it: `handle`, the connection's socket, none if each call has its own;
# `process` and `timeout`, for which alone it counts; the bytes of the `options`, and how many a request has beside those of its method
# and parameters (`length`). It is opened by an object's first call and by every call that went smoothly, and closed by everything else
# that happens to the connection.

sub READ_SIZE ()  { 65_536 }
# A result that is longer may be worth asking for in another form the next time.
sub LONG ()       { 8_192 }
# MSG_DONTWAIT | MSG_NOSIGNAL, which are the same on every Linux.
sub SEND_FLAGS () { 0x4040 }

# Numbers of Linux for sockets of streams, for SOL_SOCKET, SO_SNDTIMEO, SO_RCVTIMEO and SO_PEERCRED. They are others on MIPS, PowerPC, SPARC,
# Alpha and PA-RISC; there the kernel refuses one of these, and CPANBridge::Connection puts in Socket's, which takes long to load.
our ($STREAM, $LEVEL, $SEND_LIMIT, $READ_LIMIT, $PEER) = (1, 1, 21, 20, 17);

# Which process and thread this is. What a connection is used in, and a lane, is the one that it was made in: a child has its parent's
# objects and so has a thread, but neither has its calls. Threads have one process id, so each but the first adds something of its own.
our $THREAD = 0;

sub CLONE {
    # Never the same in two threads, nor one that was.
    $THREAD = threads->tid * 2**32;
    return;
}

# The clock of time limits, CPANBridge::Clock's: a function and its argument, so that who looks at every call can spare the detour over
# `now`. Empty until somebody needs it.
our @CLOCK;

sub now {
    @CLOCK or CPANBridge::Parts::need('Clock');
    return $CLOCK[0]->($CLOCK[1]);
}

# A time limit as the kernel wants it.
sub timeval {
    my ($seconds) = @_;
    # Zero would mean no limit, and the kernel takes no time of any length for one.
    my $limit = $seconds < 0.001 ? 0.001 : $seconds < 1e9 ? $seconds : 1e9;
    return pack 'l!l!', $limit, ($limit - int $limit) * 1_000_000;
}

# A connected socket and the user who listens there, as the kernel tells it, -1 if it does not; or () with the reason in $!. $wait limits
# the wait for a broker whose queue is full, as the script's setting does; reads are given a limit if there is one for them.
sub dial {
    my ($path, $wait, $read) = @_;
    {
        # Scripts may have set it to anything.
        no warnings;
        my $most = $CPANBridge::DAEMON_TIMEOUT;
        $wait = $most if defined $most && length $most && $wait > $most;
    }
    if (length $path > 107) {
        # ENAMETOOLONG: a longer one is no address.
        $! = 36;
        return;
    }
    socket my $handle, 1, $STREAM, 0 or return;
    setsockopt $handle, $LEVEL, $SEND_LIMIT, timeval($wait) or return;
    setsockopt $handle, $LEVEL, $READ_LIMIT, timeval($read) or return if $read;
    connect $handle, pack 'Sa*', 1, $path or return;
    my $credentials = getsockopt $handle, $LEVEL, $PEER;
    # Process, user and group.
    return ($handle, defined $credentials && length $credentials == 12 ? unpack 'x4I', $credentials : -1);
}

# Whether a broker of that user is one to talk to: this user's own, root's, or that of one whom somebody named to the locator.
sub accepts {
    my ($locator, $path, $user) = @_;
    return 1 if $user == $> || $user == 0;
    CPANBridge::Parts::need('Places');
    return $user > 0 && CPANBridge::Places::accepts($locator, $path, $user);
}

# What is left of a call's time that began then, and the time itself: by the clock, or by the common one, in seconds below zero, as long as no
# clock is there.
sub begin { return @CLOCK ? $CLOCK[0]->($CLOCK[1]) : -time }
sub left  { return $_[1] - ($_[0] < 0 ? time + $_[0] : now() - $_[0]) }

# A connection to a place, if the one who listens there is this user, root, or one that somebody named, in what is left of a call's time.
# $locator: a CPANBridge::Locator.
sub _connected {
    my ($locator, $path, $timeout, $begin) = @_;
    my $wait = left($begin, $timeout);
    return if $wait <= 0;
    my ($handle, $user) = dial($path, $wait, $timeout) or return;
    return accepts($locator, $path, $user) ? connection($handle, $user, $path, $timeout) : undef;
}

# Where a broker of this user's own is started.
sub user_socket {
    return "/tmp/cpan-bridge-$>/broker.sock" if !defined $ENV{XDG_RUNTIME_DIR} || !length $ENV{XDG_RUNTIME_DIR};
    CPANBridge::Parts::need('Places');
    return CPANBridge::Places::user_socket();
}

# The socket that somebody named: the object, the package variable, the environment.
sub named {
    my $set = $CPANBridge::DAEMON_SOCKET;
    undef $set if defined $set && $set eq $CPANBridge::EXPECTED_SOCKET;
    for my $name ($_[0]{socket}, $set, $ENV{CPAN_BRIDGE_SOCKET}) {
        return $name if defined $name && length $name;
    }
    return;
}

# What CPANBridge::Connection's methods work on, which may not be loaded.
sub connection {
    my ($handle, $user, $path, $read_limit) = @_;
    return bless {
        handle => $handle, user => $user, process => $$ + $THREAD, path => $path, in => '', out => '', sent => 0,
        read_limit => $read_limit || 0, max_frame => 64 << 20,
    }, 'CPANBridge::Connection';
}

# Likewise CPANBridge::Session's.
sub session {
    my (%args) = @_;
    return bless {
        locator       => bless({ socket => $args{socket}, autostart => $args{autostart}, broker_user => $args{broker_user} }, 'CPANBridge::Locator'),
        persistent    => $args{persistent} // 1,
        answer_memory => $args{answer_memory},
        memory        => 0,
        msgid         => CPANBridge::Wire::FIRST_MSGID,
        tickets       => {},
        finished      => [],
    }, 'CPANBridge::Session';
}

# An object's first call: nothing is connected yet. The places are those that CPANBridge::Locator tries, in the same order. Nothing if there is
# none, or if that took long: the reads' limit is the whole call's.
sub _open_first {
    my ($session, $timeout, $begin) = @_;
    return if $session->{was_opened}++ || $session->{connection} || !$session->{persistent};
    my $locator = $session->{locator};
    # Whoever may set the environment or the argument may name the socket; only its form is checked.
    my ($path) = (named($locator) // '') =~ m{\A([^\0]+)\z}s;
    my $connection;
    if (defined $path) {
        $connection = _connected($locator, $path, $timeout, $begin);
    }
    elsif (!defined named($locator)) {
        CPANBridge::Parts::need('Places');
        $connection = CPANBridge::Places::first(sub { return _connected($locator, $_[0], $timeout, $begin) });
    }
    # A handler may have made one meanwhile, which has calls.
    return if !$connection || $session->{connection};
    $session->{connection} = $connection;
    return left($begin, $timeout) > 0.95 * $timeout ? open_on($session, $connection->{handle}, $timeout) : undef;
}

sub open_on {
    my ($session, $handle, $timeout) = @_;
    my $options = CPANBridge::Wire::options($timeout);
    return $session->{lane} = {
        handle => $handle, process => $$ + $THREAD, timeout => $timeout, options => $options,
        length => CPANBridge::Wire::REQUEST_HEAD + length $options,
    };
}

# Whether a connection's reads now have this limit.
sub limit_reads {
    my ($connection, $timeout) = @_;
    setsockopt $connection->{handle}, $LEVEL, $READ_LIMIT, timeval($timeout) or return;
    $connection->{read_limit} = $timeout;
    return 1;
}

# The lane with another limit, on the same socket.
sub _limited {
    my ($session, $timeout) = @_;
    my ($handle, $connection) = ($session->{lane}{handle}, $session->{connection});
    # Without one, each call has its own limits.
    return if $handle && (!$connection || $connection->{handle} != $handle || !limit_reads($connection, $timeout));
    return open_on($session, $handle, $timeout);
}

# (error) or (undef, result) of a call of CPANBridge's, all in one function, because a call of a Perl function takes as long as ten simple
# statements.
sub call {
    my ($self, $method, $params) = @_;
    my $session = $self->{_cpanbridge};
    # A limit in whole seconds is the one option that is as usual as none.
    my $limit = @_ == 5 && defined $_[3] && $_[3] eq 'timeout' && defined $_[4] && $_[4] =~ /\A[1-9][0-9]{0,8}\z/ ? $_[4] : undef;
    return _slowly(@_) if @_ > 3 && !defined $limit || $session->{user} || $session->{entered} || !defined $method
        || defined $params && ref $params ne 'HASH' || $session->{long} && $session->{long}{$method};
    # As `_timeout`.
    my $timeout = $limit;
    if (!defined $timeout) {
        $timeout = $self->{timeout};
        $timeout = $CPANBridge::TIMEOUT if !defined $timeout || defined $session->{timeout} && $timeout == $session->{timeout};
    }

    local $!;
    # A second is worth something then, and the clock is not left out.
    now() if $timeout < 10 && !@CLOCK;
    my $begin = begin();
    {
        # From here on whoever comes in, in a signal's handler, is told that a call is under way.
        local $session->{user} = $self;
        my $lane = $session->{lane} || _open_first($session, $timeout, $begin) or last;
        my $name = $CPANBridge::Wire::NAME{$method} || CPANBridge::Wire::name($method);
        last if !defined $name || $lane->{process} != $$ + $THREAD || $session->{msgid} >= CPANBridge::Wire::LARGEST_UINT32;
        $lane = _limited($session, $timeout) or last if $lane->{timeout} != $timeout;
        my $bytes = $params && %$params ? CPANBridge::Wire::pack_flat($params) : CPANBridge::Wire::EMPTY_MAP;
        $bytes = _other('packed', $params) if !defined $bytes;
        last if !defined $bytes;

        $session->{entered} = 1;
        my $msgid = pack 'N', $session->{msgid}++;
        my $request = pack('N', length($name) + length($bytes) + $lane->{length}) . CPANBridge::Wire::REQUEST . "$msgid$name$bytes$lane->{options}";
        my $handle = $lane->{handle};
        my ($answer, $sent, $count);
        if ($handle || ($handle = $session->dial($timeout))) {
            $sent = send $handle, $request, SEND_FLAGS;
            $count = sysread $handle, $answer, READ_SIZE if defined $sent && $sent == length $request;
        }
        if (($count || 0) > 12 && substr($answer, 4, 8) eq CPANBridge::Wire::ANSWER . $msgid . CPANBridge::Wire::NIL && unpack('N', $answer) == $count - 4) {
            my ($result, $end) = CPANBridge::Wire::unpack_flat($answer, 12);
            ($result, $end) = _other('unpacked', $answer) if !$end;
            if ($end == $count) {
                $session->{entered} = 0;
                $self->{last_error} = '';
                _expect_long($session, $method, $result, $count) if $count > LONG;
                return (undef, $result);
            }
        }
        my $eval_error = $@;
        CPANBridge::Parts::need();
        my ($error, $result) = $session->after_lane($method, $request, $handle, $sent, $count, $answer, $timeout, $begin);
        ($error, $result) = $self->_call_instead($method, $params, {}, $error, $session->{deadline}) if $error && $error->code eq 'denied';
        $self->{last_error} = $error ? $error->message : '';
        $session->{entered} = 0;
        $@ = $eval_error;
        return ($error, $result);
    }
    $session->{since} = $begin;
    return _slowly(@_);
}

sub _expect_long {
    my ($session, @result) = @_;
    # It pays for less than fills a read only once Storable is there.
    return if !$INC{'Storable.pm'};
    CPANBridge::Parts::need();
    return $session->expect_long(@result);
}

sub _slowly {
    CPANBridge::Parts::need();
    goto &CPANBridge::_call_with;
}

# Forms that are not the usual ones.
sub _other {
    my $function = shift;
    CPANBridge::Parts::need('MessagePack');
    goto &{ CPANBridge::MessagePack->can($function) };
}

1;

__END__

=encoding utf8

=head1 NAME

CPANBridge::Lane - the fast way of a call (used by CPANBridge)

=head1 DESCRIPTION

A call without options of its own, over a connection on which nothing else is under way, to a broker that is there and answers in one
piece. It is nearly every call of nearly every script, and all that is loaded for it. What is not so is left to L<CPANBridge::Session>.

=head1 FUNCTIONS

=head2 call

    my ($error, $result) = CPANBridge::Lane::call($bridge, $method, \%parameters);

One call of a L<CPANBridge>, the fast way if it is open, else the other.

=head2 session

=head2 connection

    my $session = CPANBridge::Lane::session(socket => $path, autostart => $whether, persistent => $whether, broker_user => $names);
    my $connection = CPANBridge::Lane::connection($handle, $user, $path, $seconds_of_reads);

A L<CPANBridge::Session> and a L<CPANBridge::Connection>, which need not be loaded.

=head2 open_on

    CPANBridge::Lane::open_on($session, $handle, $seconds);

Opens the fast way, on a socket or, without one, with a connection for each call.

=head2 dial

    my ($handle, $user) = CPANBridge::Lane::dial($path, $seconds, $seconds_of_reads);

A connected socket and who listens there, or nothing with the reason in C<$!>.

=head2 accepts

    CPANBridge::Lane::accepts($locator, $path, $user) or ...;

Whether a broker of that user, there, is one to talk to.

=head2 now

The clock that deadlines are by: monotonic where the system has such a clock.

=head2 user_socket

Where a broker of this user's own is started.

=head2 named

The socket that somebody named, in a L<CPANBridge::Locator>, a package variable or the environment.

=head2 begin

=head2 left

    my $begin = CPANBridge::Lane::begin();
    my $seconds = CPANBridge::Lane::left($begin, $limit);

A point of time, and what is left of a limit that began then: to a second as long as no clock is needed.

=head2 limit_reads

    CPANBridge::Lane::limit_reads($connection, $seconds) or ...;

Has the kernel end a connection's reads after so long.

=head2 timeval

A time limit in the kernel's form.

=head2 READ_SIZE

=head2 LONG

=head2 SEND_FLAGS

How much is read at once; from which length on a result is long; how is sent.

=cut
