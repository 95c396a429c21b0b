package CPANBridge::Session;

use strict;
use warnings;

use CPANBridge::Connection ();
use CPANBridge::Envelope ();
use CPANBridge::Error ();
use CPANBridge::Locator ();
use CPANBridge::MessagePack ();
use CPANBridge::Ticket ();

our $VERSION = '0.100';

use constant FIRST_MSGID => CPANBridge::Envelope::FIRST_MSGID;
use constant LAST_MSGID  => CPANBridge::Envelope::LARGEST_UINT32;
# How long to wait between two looks at a message that is not gone yet.
use constant PAUSE => 0.02;
# How long what is there already is read on beyond the time that somebody gave: from a broker that does not stop sending.
use constant DRAIN => 0.25;

sub new {
    my ($class, %fields) = @_;
    return bless {
        locator    => CPANBridge::Locator->new(map { $_ => $fields{$_} } qw(socket autostart broker_user)),
        persistent => $fields{persistent},
        answer_memory => $fields{answer_memory},
        memory     => 0,
        msgid      => FIRST_MSGID,
        tickets    => {},
        finished   => [],
    }, $class;
}

# Between any two steps of what follows a signal's handler may run, and it may make calls, or die. So every method that
# uses the connection begins with `enter` and ends with `leave`, and as long as it runs the object that the script has is
# the session's `user`, whose settings count: who finds one has come from a handler (or a progress callback) and gets a connection of his own; who finds the way in not closed behind
# somebody knows that he died within, with bytes in his hands, and that the connection is no good any more.

sub enter {
    my ($self) = @_;
    $self->lose('lost', 'a call on the same connection was broken off; this call may have run') if $self->{entered};
    $self->{entered} = 1;
    # Mostly as before: then all of the room is there again.
    $self->{user}->_answer_memory == $self->{memory} ? ($self->{room} = $self->{whole_room}) : $self->_make_room;
    return;
}

# What the answers may take that come until the next time: half of the memory when they are values, and a quarter for the bytes of one.
# The rest is for what has to be there twice for a moment.
sub _make_room {
    my ($self) = @_;
    my $memory = $self->{user}->_answer_memory;
    $self->{room} = $self->{whole_room} = int $memory / 2;
    $self->{connection}->limit_frames($memory / 4) if $self->{connection};
    # Last: a signal's handler may have died before, and then it is done again.
    $self->{memory} = $memory;
    return;
}

sub leave {
    my ($self) = @_;
    $self->{entered} = 0;
    return;
}

# The lane is for a connection on which nothing is under way: all that a call has in common with the one before it, for CPANBridge to
# make it in one go. It is opened by a call that went smoothly, and closed by everything else that happens to the connection.
use constant {
    # None if each call has a connection of its own.
    LANE_HANDLE => 0,
    # It counts for this process (and thread) and time limit only.
    LANE_PROCESS => 1,
    LANE_TIMEOUT => 2,
    # Bytes of methods that were called before, and of the options.
    LANE_NAMES   => 3,
    LANE_OPTIONS => 4,
    # How many bytes a request has beside those of its method and parameters.
    LANE_LENGTH => 5,
};

sub _open_lane {
    my ($self, $timeout) = @_;
    # A place that nobody named has to be looked for and looked at each time.
    return if !$self->{persistent} && !defined $self->{locator}->usual_path;
    my $handle = $self->{persistent} ? $self->{connection}->handle : undef;
    my $options = CPANBridge::Envelope::options($timeout);
    $self->{lane} = [$handle, CPANBridge::Connection::process(), $timeout, \%CPANBridge::Envelope::METHOD, $options, 7 + length $options];
    return;
}

# A socket that is connected to the same place as last time, if that is still the place and a broker is there.
sub dial {
    my ($self) = @_;
    my $path = $self->{locator}->usual_path;
    return if !defined $path;
    my $timeout = $self->{lane}[LANE_TIMEOUT];
    my ($handle) = CPANBridge::Connection::dial($path, $timeout < $CPANBridge::DAEMON_TIMEOUT ? $timeout : $CPANBridge::DAEMON_TIMEOUT,
        $timeout, $self->{locator});
    return $handle;
}

# (error) or (undef, result) of a call that was made on the lane and did not go smoothly.
sub after_lane {
    my ($self, $method, $request, $handle, $sent, $count, $answer, $timeout, $deadline) = @_;
    my @attempt = ($method, substr($request, 11), $timeout, $deadline, undef);
    if (!$handle) {
        # No broker was there; where one may be is looked for from the beginning.
        delete $self->{lane};
        return $self->_finished([$self->_attempt(@attempt, 0)], @attempt);
    }
    my $connection = $self->{connection} ||= CPANBridge::Connection->adopt($handle, $self->{locator}{path}, $timeout);
    $self->_make_room;
    my @exchanged = $connection->exchanged($request, $sent, $count, $answer);
    return $self->_finished([$self->_answered($method, unpack('x7N', $request), $timeout, $deadline, 0, @exchanged)], @attempt);
}

# How a call ends: tried again as long as it did not run. $outcome: what an attempt returned.
sub _finished {
    my ($self, $outcome, @attempt) = @_;
    my ($error, $result) = @$outcome;
    ($error, $result) = $self->_again($error, @attempt) if $error && $error->{not_run};
    delete @{$self}{qw(connection last_word)} if !$self->{persistent} && !%{ $self->{tickets} };
    return ($error, $result);
}

# (error) or (undef, result).
sub call {
    my ($self, $method, $params, $options) = @_;
    my $timeout = $self->{user}->_time_limit($options);
    my $deadline = $self->{deadline} = CPANBridge::Connection::now() + $timeout;
    while (1) {
        my $is_long = $self->{long} && $self->{long}{$method};
        my ($error, $body) = CPANBridge::Envelope::encode($method, $params, $options, $timeout, $is_long);
        return $error if $error;
        my @attempt = ($method, $body, $timeout, $deadline, $options->{progress});
        ($error, my $result) = $self->_finished([$self->_attempt(@attempt, 0)], @attempt);
        return ($error, $result) if !($is_long && $error && $error->code eq 'invalid_params' && $error->message =~ /unknown option `frozen/);
        # A broker that knows no such option did not run the call.
        delete $self->{long};
        $self->{no_images} = 1;
    }
}

# Tries a call again as long as it certainly did not run.
sub _again {
    my ($self, $error, $method, @attempt) = @_;
    my $tries = $self->{user}->_retry_count;
    my $deadline = $attempt[2];
    my $result;
    while ($error && $error->{not_run} && $tries-- > 0 && CPANBridge::Connection::now() < $deadline) {
        $self->{user}->_debug("$method did not run (" . $error->message . '), trying again');
        # There was a broker a moment ago, so another one is probably coming up.
        ($error, $result) = $self->_attempt($method, @attempt, $CPANBridge::DAEMON_STARTUP_TIMEOUT);
    }
    return ($error, $result);
}

# One try. Errors of calls that certainly did not run have `not_run` set. A call that goes alone has no ticket if that can be
# spared: one write, one read, and the answer recognised by its first bytes.
sub _attempt {
    my ($self, $method, $body, $timeout, $deadline, $progress, $patience) = @_;
    my $connection = $self->{connection};
    my $limit = $timeout;
    if (!$connection || !$connection->is_mine) {
        ($connection, my $error) = $self->connect($deadline, $patience);
        return $error if $error;
        # Where that took long, or other tries did, what is left of the time is less.
        my $left = $deadline - CPANBridge::Connection::now();
        $limit = $left if $left < 0.95 * $timeout;
    }
    if ($progress || %{ $self->{tickets} } || $self->{refused}) {
        # Not held on to: it may be another one before the answer comes.
        undef $connection;
        my $ticket = $self->new_ticket($method, \$body, $timeout, $deadline, $progress);
        my $error = $self->send_all([$ticket], [$body], $deadline);
        return $error || $self->_outcome($ticket);
    }
    my $msgid = $self->{msgid}++;
    $self->{msgid} = FIRST_MSGID if $msgid >= LAST_MSGID;
    my ($taken, $answer) = $connection->exchange(CPANBridge::Envelope::frame($msgid, $body), $limit);
    return $self->_answered($method, $msgid, $timeout, $deadline, $limit == $timeout, $taken, $answer);
}

# What came of a call that was sent alone: whether it was taken, and the answer's frame if that is there. The next one may take the lane if
# this one's reads had all of its time.
sub _answered {
    my ($self, $method, $msgid, $timeout, $deadline, $had_all, $taken, $answer) = @_;
    delete $self->{lane};
    return $self->_unsent($method, $deadline) if !$taken;
    if (defined $answer && substr($answer, 4, 8) eq pack 'A3NA', "\x94\x01\xce", $msgid, "\xc0") {
        if ($self->{long} && substr($answer, 12, 1) eq "\xc9") {
            my $result = $self->_thawed(\$answer, 12);
            return (undef, $result) if defined $result;
        }
        my ($result, $end) = eval { CPANBridge::MessagePack->unpack_at($answer, 12, $self->{room}) };
        # What is wrong with it is found out by who looks at the whole message.
        if (CPANBridge::Envelope::complaint() eq '' && $end == length $answer) {
            $self->_open_lane($timeout) if $had_all;
            $self->_expect_long($method, $result, $end) if $end > 8_192;
            return (undef, $result);
        }
    }
    my $ticket = $self->{tickets}{$msgid} = CPANBridge::Ticket->new(
        method => $method, limit => $timeout, deadline => $deadline, msgid => $msgid, queued => $self->{connection}->queued);
    $self->_take(substr $answer, 4) if defined $answer;
    return $self->_outcome($ticket);
}

# A long result has come as MessagePack: the next of the method is asked for as an image, of who is trusted with that.
sub _expect_long {
    my ($self, $method, $result, $length) = @_;
    require CPANBridge::Frozen;
    return if $length < CPANBridge::Frozen::LONG() || $self->{no_images} || !$self->_is_trusted || !CPANBridge::Frozen::would_help($result, $length);
    delete $CPANBridge::Envelope::METHOD{$method};
    $self->{long}{$method} = 1 if keys %{ $self->{long} || {} } < 1000;
    return;
}

# The broker is this user's own or root's, who may do what they like here anyway.
sub _is_trusted {
    my ($self) = @_;
    my $listener = $self->{connection}->listener;
    return defined $listener && ($listener == $> || $listener == 0);
}

sub _thawed {
    my ($self, $message, $at) = @_;
    my $value = $self->_is_trusted ? CPANBridge::Frozen::thaw($message, $at) : undef;
    $self->{has_images} = 1 if defined $value;
    return $value;
}

# The methods to ask for as images where a call is not sent again for it: once this connection's broker has sent one. An older one takes such
# a request for a mistake, which `call` alone mends.
sub long_here {
    my ($self) = @_;
    return $self->{has_images} && $self->is_connected ? $self->{long} : undef;
}

# A request could not be sent whole, so it did not run. Why: the broker may have said so before it closed.
sub _unsent {
    my ($self, $method, $deadline) = @_;
    while (defined(my $frame = $self->{connection}->receive(0))) {
        $self->_take($frame);
        last if !$self->{connection} || CPANBridge::Connection::now() >= $deadline;
    }
    my $word = $self->{last_word};
    $self->lose('lost', 'the broker closed the connection; the call may have run');
    return CPANBridge::Envelope::error($word->[0], $method, $word->[1]) if $word;
    return _not_run($method, 'the broker closed the connection before it took the request');
}

sub _outcome {
    my ($self, $ticket) = @_;
    $self->await($ticket);
    $self->forget($ticket);
    my $error = $ticket->error or return (undef, $ticket->{value});
    if ($error->code eq 'unavailable' && !$ticket->{refusals}) {
        # It is going; the next one may listen in its place already.
        $self->disconnect;
        $error->{not_run} = 1;
    }
    return $error;
}

sub _not_run {
    my ($method, $message) = @_;
    my $error = CPANBridge::Envelope::error('lost', $method, $message);
    $error->{not_run} = 1;
    return $error;
}

sub new_ticket {
    my ($self, $method, $body, $limit, $deadline, $progress) = @_;
    my $msgid = $self->{msgid}++;
    $self->{msgid} = FIRST_MSGID if $msgid >= LAST_MSGID;
    delete $self->{lane};
    # Not by its constructor, which copies its arguments: scripts send thousands.
    return bless { method => $method, body => $body, limit => $limit, deadline => $deadline, progress => $progress, msgid => $msgid },
        'CPANBridge::Ticket';
}

sub pipeline {
    my ($self, $calls) = @_;
    my $usual = $self->{user}->_timeout;
    my $now = CPANBridge::Connection::now();
    my $deadline = $now + $usual;
    my (@all, @tickets, @bodies);
    my %none;
    my $long = $self->long_here;
    delete $self->{lane};
    for my $call (@$calls) {
        my $options = @$call > 2 ? { @$call[2 .. $#$call] } : \%none;
        my $limit = defined $options->{timeout} ? $options->{timeout} : $usual;
        # As `new_ticket` makes it: calling that for each takes an eighth more. Nobody else is to be given it.
        my $msgid = $self->{msgid}++;
        $self->{msgid} = FIRST_MSGID if $msgid >= LAST_MSGID;
        my $ticket = bless {
            method => $call->[0], limit => $limit, deadline => $now + $limit, progress => $options->{progress}, msgid => $msgid, awaited => 1,
        }, 'CPANBridge::Ticket';
        my ($error, $body) = CPANBridge::Envelope::encode($call->[0], $call->[1], $options, $limit, $long && $long->{ $call->[0] });
        push @all, $error ? $ticket->settle($error) : $ticket;
        next if $error;
        push @tickets, $ticket;
        push @bodies,  $body;
    }
    local $self->{batch} = [\@tickets, \@bodies];
    my $error = @tickets ? $self->send_all(\@tickets, \@bodies, $deadline) : undef;
    for my $ticket (@tickets) {
        $error ? $ticket->settle($error) : $ticket->{done} || $self->await($ticket);
    }
    $self->disconnect if !$self->{persistent} && !$self->has_outstanding;
    return @all;
}

# Sends calls in one write, as far as the kernel takes them now. An error if they could not be sent at all.
sub send_all {
    my ($self, $tickets, $bodies, $deadline, $patience) = @_;
    my $tries = $self->{user}->_retry_count;
    $patience ||= 0;
    while (1) {
        my ($connection, $error) = $self->connect($deadline, $patience);
        return $error if $error;
        my $bytes = '';
        for my $index (0 .. $#$tickets) {
            # What `CPANBridge::Envelope::frame` does, for the hundreds of a pipeline.
            $bytes .= pack('NA3N', 7 + length $bodies->[$index], "\x95\x00\xce", $tickets->[$index]{msgid}) . $bodies->[$index];
        }
        my $before = $connection->sent;
        my $unsent = $connection->has_unsent;
        if ($connection->send_now($bytes)) {
            my $queued = $connection->queued;
            for my $ticket (@$tickets) {
                $ticket->{queued} = $queued;
                $self->{tickets}{ $ticket->{msgid} } = $ticket;
            }
            return;
        }
        # With one call that is not wholly sent, or several of which no byte is, none can have been acted on.
        my $safe = @$tickets == 1 || (!$unsent && $connection->sent == $before);
        $error = $self->_unsent($tickets->[0]{method}, $deadline);
        return $error if !$error->{not_run};
        return CPANBridge::Envelope::error('lost', $tickets->[0]{method}, 'the broker closed the connection; calls may have run') if !$safe;
        return $error if $tries-- <= 0 || CPANBridge::Connection::now() >= $deadline;
        $patience = $CPANBridge::DAEMON_STARTUP_TIMEOUT;
    }
}

# Sends a message that is not answered, and sees it off.
sub send_message {
    my ($self, $message, $method) = @_;
    my $bytes = eval { CPANBridge::MessagePack->pack($message) };
    return CPANBridge::Envelope::unfit($method, CPANBridge::Envelope::complaint()) if !defined $bytes;
    my $deadline = CPANBridge::Connection::now() + $self->{user}->_timeout;
    my ($tries, $patience) = ($self->{user}->_retry_count, 0);
    while (1) {
        my ($connection, $error) = $self->connect($deadline, $patience);
        return $error if $error;
        if ($connection->send_now(pack('N/a*', $bytes))) {
            while ($connection->has_unsent) {
                return CPANBridge::Envelope::error('timeout', $method, 'the broker did not take the message in time')
                    if CPANBridge::Connection::now() >= $deadline;
                $self->receive_one(CPANBridge::Connection::now() + PAUSE);
                return CPANBridge::Envelope::error('lost', $method, 'the broker closed the connection') if !$self->is_connected;
            }
            return;
        }
        $error = $self->_unsent($method, $deadline);
        return $error if !$error->{not_run} || $tries-- <= 0 || CPANBridge::Connection::now() >= $deadline;
        $patience = $CPANBridge::DAEMON_STARTUP_TIMEOUT;
    }
}

# Sends a message that is not answered, but only if there is a connection on which nobody is at work, and without waiting: for destructors,
# which run at any point of a program. What can't be told now is told the next time; it is little, and there are few.
sub tell {
    my ($self, $bytes) = @_;
    my $untold = $self->{untold} ||= [];
    shift @$untold if @$untold >= 100;
    push @$untold, $bytes;
    return if $self->{user} || $self->{entered};
    # By functions and not by methods: at the end of a thread these may be no objects any more.
    my $connection = $self->{connection};
    return if !$connection || !CPANBridge::Connection::is_mine($connection) || CPANBridge::Connection::has_unsent($connection);
    CPANBridge::Connection::send_now($connection, join '', map { pack 'N/a*', $_ } splice @$untold);
    # What the kernel did not take goes with the next call, which must not send before it.
    delete $self->{lane} if CPANBridge::Connection::has_unsent($connection);
    return;
}

sub has_outstanding {
    my ($self) = @_;
    return $self->{refused} || ($self->is_connected && %{ $self->{tickets} }) ? 1 : 0;
}

# The broker is going and did not run the call: it is the next one's. Whether there are tries left for that.
sub _refuse {
    my ($self, $ticket) = @_;
    if (my $batch = $self->{batch}) {
        # A pipeline's tickets are not given their bodies before they are needed.
        my ($tickets, $bodies) = splice @$batch;
        $tickets->[$_]{body} = \$bodies->[$_] for 0 .. $#{ $tickets || [] };
    }
    return 0 if !$ticket->{body} || ($ticket->{refusals} || 0) >= $self->{user}->_retry_count;
    $ticket->{refusals}++;
    $ticket->{process} = CPANBridge::Connection::process();
    push @{ $self->{refused} }, $ticket;
    return 1;
}

# Sends to the next broker what this one refused, once this one owes no other answer. That broker is waited for as long as a broker takes to
# start, or until $until. Who can wait again ($again) keeps what could not be sent.
sub send_refused {
    my ($self, $until, $again) = @_;
    return if !$self->{refused} || ($self->is_connected && %{ $self->{tickets} });
    my @refused = @{ delete $self->{refused} };
    $self->lose('lost', 'the broker is shutting down');
    my $now = CPANBridge::Connection::now();
    my $process = CPANBridge::Connection::process();
    my @tickets;
    for my $ticket (@refused) {
        my $error = $ticket->{process} != $process ? CPANBridge::Envelope::error('lost', $ticket->method, 'the call was made by the parent process')
            : $ticket->{deadline} <= $now ? CPANBridge::Envelope::too_late($ticket->method, $ticket->{limit})
            :                               undef;
        $error ? $self->_finish($ticket->settle($error)) : push @tickets, $ticket;
    }
    return if !@tickets;
    $self->{user}->_debug(@tickets . ' calls did not run, because the broker is shutting down; trying again');
    my $patience = $again ? $until - $now : $CPANBridge::DAEMON_STARTUP_TIMEOUT;
    my $error = $self->send_all(\@tickets, [map { ${ $_->{body} } } @tickets], $until, $patience > 0 ? $patience : 0) or return;
    return $self->{refused} = \@tickets if $again && $error->code eq 'connect';
    $self->_finish($_->settle($error)) for @tickets;
    return;
}

# Gives up what was refused: no broker has it.
sub _give_up_refused {
    my ($self, $code, $message) = @_;
    $self->_finish($_->settle(CPANBridge::Envelope::error($code, $_->method, $message))) for @{ delete $self->{refused} || [] };
    return;
}

# True if the call had been refused and is given up with that: there is nobody to be told.
sub cancel_refused {
    my ($self, $ticket) = @_;
    my $refused = $self->{refused} or return 0;
    my @others = grep { $_ != $ticket } @$refused;
    return 0 if @others == @$refused;
    @others ? ($self->{refused} = \@others) : delete $self->{refused};
    $self->_finish($ticket->settle(CPANBridge::Envelope::error('cancelled', $ticket->method, 'the call was cancelled')));
    return 1;
}

# Until this ticket is done. Answers to others are noted at theirs.
sub await {
    my ($self, $ticket) = @_;
    while (!$ticket->{done}) {
        if ($self->{refused}) {
            $self->send_refused($ticket->{deadline});
            next if $ticket->{done};
        }
        if (!$self->is_connected) {
            $ticket->settle(CPANBridge::Envelope::error('lost', $ticket->method, 'the call was made on a connection that is closed'));
            return;
        }
        my $has_come = $self->_take_answers || $self->receive_one($ticket->{deadline});
        # Whatever comes: a broker that sends something else without end does not hold us.
        $self->expire if !$has_come || CPANBridge::Connection::now() >= $ticket->{deadline};
    }
    return;
}

# Takes what was received already, up to the first message that is not the answer to a call that succeeded: what `receive_one`
# does, in one loop without calls, because a pipeline's answers come by the hundred. How many it took.
sub _take_answers {
    my ($self) = @_;
    my ($in, $tickets) = (\$self->{connection}{in}, $self->{tickets});
    my ($at, $have, $count) = (0, length $$in, 0);
    while ($have - $at >= 13) {
        my ($length, $kind, $msgid, $failure) = unpack 'Na3Na', substr $$in, $at, 12;
        last if $kind ne "\x94\x01\xce" || $failure ne "\xc0" || $length < 9 || $have - $at < 4 + $length;
        my $ticket = $tickets->{$msgid} or last;
        my $value;
        if ($length == 9 && (my $simple = $CPANBridge::MessagePack::SIMPLE[ord(substr $$in, $at + 12, 1)])) {
            $value = $simple->();
        }
        else {
            my $bytes = substr $$in, $at + 12, $length - 8;
            ($value, my $end, my $left) = eval { CPANBridge::MessagePack->unpack_at($bytes, 0, $self->{room}) };
            # What is wrong with it is found out by who looks at the whole message.
            CPANBridge::Envelope::complaint();
            last if !defined $end || $end != $length - 8;
            $self->{room} = $left;
        }
        delete $tickets->{$msgid};
        @{$ticket}{qw(done value)} = (1, $value);
        push @{ $self->{finished} }, $ticket if !$ticket->{awaited};
        $at += 4 + $length;
        $count++;
    }
    substr $$in, 0, $at, '' if $at;
    return $count;
}

# Gives up calls whose time is over. What comes for them later finds no ticket and is dropped.
sub expire {
    my ($self) = @_;
    my $now = CPANBridge::Connection::now();
    for my $msgid (keys %{ $self->{tickets} }) {
        my $ticket = $self->{tickets}{$msgid};
        next if $ticket->{deadline} > $now;
        delete $self->{tickets}{$msgid};
        $self->_finish($ticket->settle(CPANBridge::Envelope::too_late($ticket->method, $ticket->{limit})));
    }
    return;
}

# Waits for one message and deals with it. True if there was one, or if the connection ended: something has changed.
sub receive_one {
    my ($self, $deadline) = @_;
    my $connection = $self->{connection};
    my $frame = $connection->receive($deadline);
    if (defined $frame) {
        $self->_take($frame);
        return 1;
    }
    my $failure = $connection->failure;
    return 0 if $failure eq 'timeout';
    $self->_end($failure);
    return 1;
}

sub _take {
    # The frame is not copied: before Perl 5.20 that would take its bytes once more.
    my ($self) = @_;
    if ($self->{long} && substr($_[1], 0, 3) eq "\x94\x01\xce" && substr($_[1], 7, 2) eq "\xc0\xc9") {
        my $value = $self->_thawed(\$_[1], 8);
        my $ticket = defined $value ? delete $self->{tickets}{ unpack 'x3N', $_[1] } : undef;
        return $self->_finish($ticket->settle(undef, $value)) if $ticket;
    }
    my ($message, $end, $left) = eval { CPANBridge::MessagePack->unpack_at($_[1], 0, $self->{room}) };
    my $why = CPANBridge::Envelope::complaint();
    return $self->_lose_to_size if CPANBridge::Envelope::is_too_large($why);
    $why ||= 'bytes follow the value' if defined $end && $end != length $_[1];
    $self->{room} = $left if defined $left;
    if (!length $why && CPANBridge::Envelope::is_answer($message)) {
        my (undef, $msgid, $error, $value) = @$message;
        my $ticket = delete $self->{tickets}{$msgid} or return;
        return if ref $error eq 'HASH' && ($error->{code} || '') eq 'unavailable' && $self->_refuse($ticket);
        $ticket->settle(defined $error ? CPANBridge::Envelope::broker_error($error, $ticket->method, $ticket->{limit}) : undef, $value);
        $self->_finish($ticket);
        return;
    }
    # Beside answers there are notifications, [2, what, [parameters]]. Those that are new to us are nothing to us.
    my ($type, $what, $parameters) = !length $why && ref $message eq 'ARRAY' ? @$message : ();
    if (!defined $type || ref $type || $type ne '2' || !defined $what || ref $what) {
        $why = 'neither an answer nor a notification' if !length $why;
        return $self->lose('protocol', "the broker sent what is no message: $why");
    }
    my $fact = ref $parameters eq 'ARRAY' ? $parameters->[0] : undef;
    if ($what eq 'rpc.progress') {
        my ($msgid, @amounts) = CPANBridge::Envelope::progress($fact) or return;
        my $ticket = $self->{tickets}{$msgid};
        $ticket->{progress}->(@amounts) if $ticket && $ticket->{progress};
    }
    elsif ($what eq 'rpc.error') {
        # The end of the connection follows; this is its reason.
        $self->{last_word} = [CPANBridge::Envelope::told($fact)];
    }
    return;
}

# An answer for which there is no memory. What comes behind it can't be found without it.
sub _lose_to_size {
    my ($self) = @_;
    return $self->lose('too_large', CPANBridge::Envelope::too_large($self->{user}->_answer_memory));
}

sub _finish {
    my ($self, $ticket) = @_;
    push @{ $self->{finished} }, $ticket if !$ticket->{awaited};
    return;
}

# The connection has ended: what that means for the calls under way.
sub _end {
    my ($self, $failure) = @_;
    my $last_word = $self->{last_word};
    return $self->lose(@{$last_word}[0, 1]) if $last_word;
    return $self->_lose_to_size if $failure eq 'too_large';
    return $self->lose('protocol', 'the broker sent what is no message') if $failure eq 'protocol';
    my @tickets = values %{ $self->{tickets} };
    if ($failure eq 'reset' && @tickets == 1 && $tickets[0]{queued} == $self->{connection}->queued) {
        # The kernel reports a reset if something of what we sent was not taken. If nothing was sent after this call, its
        # own end was not taken, and a call that was not taken whole was not acted on.
        delete @{$self}{qw(connection lane)};
        %{ $self->{tickets} } = ();
        $self->_finish(
            $tickets[0]->settle(_not_run($tickets[0]->method, 'the broker closed the connection before it took the request')));
        return;
    }
    return $self->lose('lost', 'the broker closed the connection before it answered; the call may have run');
}

# Drops the connection; calls under way fail.
sub lose {
    my ($self, $code, $message) = @_;
    delete @{$self}{qw(connection last_word lane)};
    for my $ticket (values %{ $self->{tickets} }) {
        $self->_finish($ticket->settle(CPANBridge::Envelope::error($code, $ticket->method, $message)));
    }
    %{ $self->{tickets} } = ();
    return;
}

sub is_connected {
    my ($self) = @_;
    my $connection = $self->{connection};
    return $connection && $connection->is_mine;
}

# (connection) or (undef, error). $patience: how long a broker that is not there is waited for.
sub connect {    ## no critic (ProhibitBuiltinHomonyms)
    my ($self, $deadline, $patience) = @_;
    if (my $connection = $self->{connection}) {
        return $connection if $connection->is_mine;
        # After a fork: the parent's connection, and the parent's calls. Of a thread they are those of the one that made it.
        $self->lose('lost', 'the call was made by the parent process');
        $self->_give_up_refused('lost', 'the call was made by the parent process');
        @{ $self->{finished} } = ();
    }
    my ($connection, $why) = $self->{locator}->connect($deadline, $patience, $self->{user});
    if ($connection) {
        @{$self}{qw(memory has_images connection)} = (0, 0, $connection);
        $self->_make_room;
        return $connection;
    }
    return (undef, CPANBridge::Envelope::error('connect', undef, $why));
}

sub disconnect {
    my ($self) = @_;
    $self->lose('cancelled', 'the script closed the connection');
    $self->_give_up_refused('cancelled', 'the script closed the connection');
    return;
}

# A ticket that somebody waited for is not polled as well.
sub forget {
    my ($self, @tickets) = @_;
    my %mine = map { $_ => 1 } @tickets;
    delete $_->{body} for @tickets;
    @{ $self->{finished} } = grep { !$mine{$_} } @{ $self->{finished} };
    return;
}

# The tickets that are done and nobody has asked for, waiting for the first until $deadline.
sub poll {
    my ($self, $deadline) = @_;
    while ($self->has_outstanding && !@{ $self->{finished} }) {
        $self->send_refused($deadline, 1);
        if (!%{ $self->{tickets} }) {
            last if CPANBridge::Connection::now() >= $deadline;
            next;
        }
        # A call's own time may be over before this wait is.
        my ($first) = sort { $a <=> $b } $deadline, map { $_->{deadline} } values %{ $self->{tickets} };
        my $has_come = $self->receive_one($first);
        my $now = CPANBridge::Connection::now();
        $self->expire if !$has_come || $now >= $first;
        last if $now >= $deadline && (!$has_come || $now >= $deadline + DRAIN);
    }
    # Whatever else has come already: it would not make the socket readable again. But not for ever, where something always has.
    my $until = CPANBridge::Connection::now() + DRAIN;
    while ($self->is_connected && %{ $self->{tickets} } && $self->receive_one(0)) {
        last if CPANBridge::Connection::now() >= $until;
    }
    delete $_->{body} for @{ $self->{finished} };
    return splice @{ $self->{finished} };
}

1;

__END__

=encoding utf8

=head1 NAME

CPANBridge::Session - the calls of one object and the connection they go over (used by CPANBridge)

=head1 DESCRIPTION

Numbers calls, sends them, matches answers, decides what may be sent again, and gives up what is late. Errors are returned,
not thrown: a list of the error alone, or of undef and the result.

=head1 METHODS

=head2 new

    my $session = CPANBridge::Session->new(socket => $path, autostart => $whether, persistent => $whether, broker_user => $names);

=head2 enter

=head2 leave

The way in and out for everything that uses the connection, so that a call that was broken off by a signal's handler is
noticed by the next.

=head2 call

    my ($error, $result) = $session->call($method, \%parameters, \%options);

One call, tried again as long as it certainly did not run.

=head2 dial

A connected socket for a call on the lane that has a connection of its own.

=head2 after_lane

    my ($error, $result) = $session->after_lane($method, $request, $handle, $sent, $count, $received, $seconds, $deadline);

The same for a call that L<CPANBridge> made on the lane, if it did not go smoothly.

=head2 pipeline

    my @tickets = $session->pipeline([[$method, \%parameters, %options], ...]);

Many calls; the tickets are done.

=head2 new_ticket

=head2 send_all

    my $error = $session->send_all(\@tickets, \@bodies, $deadline);

Numbers a call; sends calls in one write.

=head2 send_message

    my $error = $session->send_message($message, $method);

Sends a message that is not answered.

=head2 tell

    $session->tell($bytes);

Sends a message's bytes if that can be done at once, else the next time.

=head2 await

Waits until a ticket is done.

=head2 poll

The tickets that are done, waiting for the first until a deadline.

=head2 forget

Keeps tickets out of what L</poll> gives.

=head2 expire

Gives up calls whose time is over.

=head2 receive_one

Waits for one message and deals with it.

=head2 long_here

The methods whose results are long, if this connection's broker is known to send images.

=head2 send_refused

    $session->send_refused($until, $again);

Sends calls to the next broker that this one answered C<unavailable>. Whoever tries again later (C<$again>) keeps those that could not be sent.

=head2 cancel_refused

    $session->cancel_refused($ticket) or ...;

Gives up such a call, if it is one.

=head2 has_outstanding

Whether calls are under way.

=head2 is_connected

Whether there is a connection, and it is this process's.

=head2 connect

The connection, made if need be.

=head2 disconnect

=head2 lose

Drops the connection; calls under way fail, by the script's wish or with the reason given.

=cut
