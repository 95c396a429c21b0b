package CPANBridge::Session;

use strict;
use warnings;

use CPANBridge::Batch ();
use CPANBridge::Connection ();
use CPANBridge::Envelope ();
use CPANBridge::Error ();
use CPANBridge::Lane ();
use CPANBridge::Locator ();
use CPANBridge::MessagePack ();
use CPANBridge::Ticket ();
use CPANBridge::Wire ();

our $VERSION = '0.100';

sub LAST_MSGID () { CPANBridge::Wire::LARGEST_UINT32 }
# How long to wait between two looks at a message that is not gone yet.
sub PAUSE () { 0.02 }
# Sessions have numbers, for their tickets: an address is another one in a thread.
my $SERIAL = 0;
# How long what is there already is read on beyond the time that somebody gave: from a broker that does not stop sending.
sub DRAIN () { 0.25 }

# Between any two steps of what follows a signal's handler may run, and it may make calls, or die. So every method that
# uses the connection begins with `enter` and ends with `leave`, and as long as it runs the object that the script has is
# the session's `user`, whose settings count: who finds one has come from a handler (or a progress callback) and gets a connection of his own; who finds the way in not closed behind
# somebody knows that he died within, with bytes in his hands, and that the connection is no good any more.

sub enter {
    my ($self) = @_;
    if ($self->{entered}) {
        $self->lose('lost', 'a call on the same connection was broken off; this call may have run');
        $self->_finish($_->settle(CPANBridge::Envelope::error('lost', $_->method, 'the sending of this call was broken off; it may have run')))
            for grep { !$_->{done} } @{ delete $self->{sending} || [] };
    }
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

# The next call may take the fast way.
sub _open_lane {
    my ($self, $timeout) = @_;
    # A place that nobody named has to be looked for and looked at each time.
    return if !$self->{persistent} && !defined $self->{locator}->usual_path;
    CPANBridge::Lane::open_on($self, $self->{persistent} ? $self->{connection}->handle : undef, $timeout);
    return;
}

# A socket that is connected to the same place as last time, if that is still the place and a broker is there.
sub dial {
    my ($self, $timeout) = @_;
    my $path = $self->{locator}->usual_path;
    return if !defined $path;
    my ($handle, $user) = CPANBridge::Lane::dial($path, $timeout, $timeout) or return;
    return if !CPANBridge::Lane::accepts($self->{locator}, $path, $user);
    $self->{dialed} = $user;
    return $handle;
}

# (error) or (undef, result) of a call that was made on the lane and did not go smoothly.
sub after_lane {
    my ($self, $method, $request, $handle, $sent, $count, $answer, $timeout, $begin) = @_;
    my $deadline = $self->{deadline} = _deadline($begin, $timeout);
    my $connection = $self->{connection};
    return $self->given_up($method) if $self->{persistent} && (!$connection || $connection->handle != $handle);
    my @attempt = ($method, substr($request, 11), $timeout, $deadline, undef);
    if (!$handle) {
        # No broker was there; where one may be is looked for from the beginning.
        delete $self->{lane};
        return $self->_finished([$self->_attempt(@attempt, 0)], @attempt);
    }
    $connection ||= $self->{connection} = CPANBridge::Lane::connection($handle, $self->{dialed}, $self->{locator}{path}, $timeout);
    $self->_make_room;
    my @exchanged = $connection->exchanged($request, $sent, $count, $answer);
    return $self->_finished([$self->_answered($method, unpack('x7N', $request), $timeout, $deadline, 0, @exchanged)], @attempt);
}

# A signal's handler has closed the connection in the middle of a call.
sub given_up { return CPANBridge::Envelope::error('cancelled', $_[1], 'the script closed the connection') }

# When a call has to end that began at a point of time of the lane's clock; or, below zero, at a second of the common one, and then this is
# up to a second late.
sub _deadline {
    my ($begin, $timeout) = @_;
    return $begin + $timeout if $begin >= 0;
    my $elapsed = time + $begin - 1;
    return CPANBridge::Lane::now() + $timeout - ($elapsed < 0 ? 0 : $elapsed > $timeout ? $timeout : $elapsed);
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
    # It may have begun on the lane.
    my $since = delete $self->{since};
    my $deadline = $self->{deadline} = defined $since ? _deadline($since, $timeout) : CPANBridge::Lane::now() + $timeout;
    while (1) {
        my $is_long = $self->{long} && $self->{long}{$method};
        my ($image, $copy) = $self->_image_of($method, $params);
        # What is under way on the connection would be lost with an image that is more than the broker takes: before it has read one as long.
        undef $image if defined $image && %{ $self->{tickets} } && !($self->is_connected && length $image <= ($self->{read_image} || 0));
        # Also where it has to be a map in the end: each value is fetched once, and before anything here has matched.
        $params = $copy if $copy;
        my ($error, $body) = CPANBridge::Envelope::encode($method, $params, $options, $timeout, $is_long, $image);
        return $error if $error;
        my @attempt = ($method, $body, $timeout, $deadline, $options->{progress});
        ($error, my $result) = $self->_finished([$self->_attempt(@attempt, 0)], @attempt);
        $self->{read_image} = length $image if defined $image && !$error && length $image > ($self->{read_image} || 0);
        return ($error, $result) if !$error || $error->code !~ /\A(?:invalid_params|protocol)\z/;
        # A broker that does not read an image, or none so long, or knows no such option, did not run the call.
        if (defined $image && $error->message =~ /parameters' image|image of parameters|, not extension|above max_frame/) {
            # An object, which has sent it, has few methods.
            $self->{no_image} = {} if keys %{ $self->{no_image} || {} } > 1000;
            $self->{no_image}{$method} = 1;
        }
        elsif ($is_long && $error->message =~ /unknown option `frozen/) {
            delete $self->{long};
            $self->{no_images} = 1;
        }
        else {
            return ($error, $result);
        }
    }
}

# The image of a call's parameters, if they are better sent as one, and the copy of them that it was made of. Only `call` sends images: it can
# send a map in its place, in the same order with other calls.
sub _image_of {
    my ($self, $method, $params) = @_;
    return if ref $params ne 'HASH' || $self->{no_image} && $self->{no_image}{$method} || !CPANBridge::MessagePack::is_bulk($params);
    CPANBridge::Parts::need('Frozen');
    return CPANBridge::Frozen::image($params);
}

# Tries a call again as long as it certainly did not run.
sub _again {
    my ($self, $error, $method, @attempt) = @_;
    my $tries = $self->{user}->_retry_count;
    my $deadline = $attempt[2];
    my $result;
    while ($error && $error->{not_run} && $tries-- > 0 && CPANBridge::Lane::now() < $deadline) {
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
    }
    # Where that took long, or other tries did, what is left of the time is less.
    my $left = $deadline - CPANBridge::Lane::now();
    $limit = $left if $left < 0.95 * $timeout;
    # This broker may be another user's than the one whose results were long.
    $body = CPANBridge::Frozen::without($body) if $self->{long} && !$self->_is_trusted;
    if ($progress || %{ $self->{tickets} } || $self->{refused}) {
        # Not held on to: it may be another one before the answer comes.
        undef $connection;
        my $ticket = $self->new_ticket($method, \$body, $timeout, $deadline, $progress);
        my $error = $self->send_all([$ticket], [$body], $deadline);
        return $error || $self->_outcome($ticket);
    }
    my $msgid = $self->{msgid}++;
    $self->{msgid} = CPANBridge::Wire::FIRST_MSGID if $msgid >= LAST_MSGID;
    my ($taken, $answer) = $connection->exchange(CPANBridge::Envelope::frame($msgid, $body), $limit);
    return $self->given_up($method) if !$self->{connection} || $self->{connection} != $connection;
    return $self->_answered($method, $msgid, $timeout, $deadline, $limit == $timeout, $taken, $answer);
}

# What came of a call that was sent alone: whether it was taken, and the answer's frame if that is there. The next one may take the lane if
# this one's reads had all of its time.
sub _answered {
    my ($self, $method, $msgid, $timeout, $deadline, $had_all, $taken, $answer) = @_;
    delete $self->{lane};
    return $self->_unsent($method, $deadline) if !$taken;
    if (defined $answer && substr($answer, 4, 8) eq CPANBridge::Wire::ANSWER . pack('N', $msgid) . CPANBridge::Wire::NIL) {
        # Images and what is wrong are read below.
        my ($result, $end) = eval { CPANBridge::MessagePack->unpack_at($answer, 12, $self->{room}) };
        # What is wrong with it is found out by who looks at the whole message.
        if (CPANBridge::MessagePack::complaint() eq '' && $end == length $answer) {
            $self->_open_lane($timeout) if $had_all;
            $self->expect_long($method, $result, $end) if $end > CPANBridge::Lane::LONG;
            return (undef, $result);
        }
    }
    my $ticket = $self->{tickets}{$msgid} = CPANBridge::Ticket->new(
        method => $method, limit => $timeout, deadline => $deadline, msgid => $msgid, queued => $self->{connection}->queued);
    $self->_take(substr $answer, 4) if defined $answer;
    return $self->_outcome($ticket);
}

# A long result has come as MessagePack: the next of the method is asked for as an image, of who is trusted with that.
sub expect_long {
    my ($self, $method, $result, $length) = @_;
    CPANBridge::Parts::need('Frozen');
    return if $length < CPANBridge::Frozen::LONG() || $self->{no_images} || !$self->_is_trusted || !CPANBridge::Frozen::would_help($result, $length);
    $self->{long}{$method} = 1 if keys %{ $self->{long} || {} } < 1000;
    return;
}

# The broker is this user's own or root's, who may do what they like here anyway.
sub _is_trusted {
    my ($self) = @_;
    my $listener = $self->{connection}->listener;
    return defined $listener && ($listener == $> || $listener == 0);
}

# A result has come as an image, to a call that waits for it. It was asked for if this client has asked for any, of somebody whom it trusts.
sub _take_image {
    my ($self, $ticket) = @_;
    return $self->lose('protocol', 'the broker sent what is no message: an image that was not asked for') if !$self->{long} || !$self->_is_trusted;
    my $weight = CPANBridge::Frozen::weight(\$_[2], 8, $self->{room});
    delete $self->{tickets}{ $ticket->{msgid} };
    if ($weight > $self->{room}) {
        my $why = CPANBridge::Envelope::too_large($self->{user}->_answer_memory);
        return $self->_finish($ticket->settle(CPANBridge::Envelope::error('too_large', $ticket->method, $why)));
    }
    my $value = CPANBridge::Frozen::thaw(\$_[2], 8);
    if (!defined $value) {
        $self->{tickets}{ $ticket->{msgid} } = $ticket;
        return $self->lose('protocol', 'the broker sent what is no message: an image that can\'t be read');
    }
    $self->{room} -= $weight;
    $self->{has_images} = 1;
    return $self->_finish($ticket->settle(undef, $value));
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
        last if !$self->{connection} || CPANBridge::Lane::now() >= $deadline;
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
    $self->{msgid} = CPANBridge::Wire::FIRST_MSGID if $msgid >= LAST_MSGID;
    delete $self->{lane};
    # Not by its constructor, which copies its arguments: scripts send thousands.
    return bless {
        method => $method, body => $body, limit => $limit, deadline => $deadline, progress => $progress, msgid => $msgid,
        session => $self->{serial} ||= ++$SERIAL,
    },
        'CPANBridge::Ticket';
}

sub pipeline {
    my ($self, $calls) = @_;
    delete $self->{lane};
    my $limit = $self->{user}->_timeout;
    my $now = CPANBridge::Lane::now();
    my ($batch, $error) = CPANBridge::Batch::begin($self, $calls, $limit, $now + $limit);
    return ($error) x @$calls if $error;
    my @results = !$batch ? $self->_pipeline_of_tickets($calls, $limit, $now) : $batch->receive($self) ? @{ $batch->{results} } : $self->_rest_of($batch);
    $self->disconnect if !$self->{persistent} && !$self->has_outstanding;
    return @results;
}

# What of a batch did not come as usual is waited for, and sent again if it was refused, as with any other call.
sub _rest_of {
    my ($self, $batch) = @_;
    my ($results, $tickets) = ($batch->{results}, $batch->tickets($self));
    for my $index (sort { $a <=> $b } keys %$tickets) {
        my $ticket = $tickets->{$index};
        $self->await($ticket);
        $results->[$index] = $ticket->{error} || $ticket->{value};
    }
    return @$results;
}

# The same for calls of any form.
sub _pipeline_of_tickets {
    my ($self, $calls, $usual, $now) = @_;
    my $deadline = $now + $usual;
    my (@all, @tickets, @bodies);
    my %none;
    my $long = $self->long_here;
    for my $call (@$calls) {
        my $options = @$call > 2 ? { @$call[2 .. $#$call] } : \%none;
        my $limit = defined $options->{timeout} ? $options->{timeout} : $usual;
        my ($error, $body) = CPANBridge::Envelope::encode($call->[0], $call->[1], $options, $limit, $long && $long->{ $call->[0] });
        my $ticket = $self->new_ticket($call->[0], \$body, $limit, $now + $limit, $options->{progress});
        # Nobody else is to be given it.
        $ticket->{awaited} = 1;
        push @all, $error ? $ticket->settle($error) : $ticket;
        next if $error;
        push @tickets, $ticket;
        push @bodies,  $body;
    }
    my $error = @tickets ? $self->send_all(\@tickets, \@bodies, $deadline) : undef;
    for my $ticket (@tickets) {
        $error ? $ticket->settle($error) : $ticket->{done} || $self->await($ticket);
    }
    return map { $_->{error} || $_->{value} } @all;
}

# Sends calls in one write, as far as the kernel takes them now. An error if they could not be sent at all.
sub send_all {
    my ($self, $tickets, $bodies, $deadline, $patience) = @_;
    my $tries = $self->{user}->_retry_count;
    $patience ||= 0;
    while (1) {
        my ($connection, $error) = $self->connect($deadline, $patience);
        return $error if $error;
        # What asks for images was made for another connection.
        if ($self->{long} && !$self->{has_images}) {
            $_ = CPANBridge::Frozen::without($_) for @$bodies;
        }
        my $bytes = '';
        for my $index (0 .. $#$tickets) {
            # What `CPANBridge::Envelope::frame` does, for the hundreds of a pipeline.
            $bytes .= pack('NA3N', CPANBridge::Wire::REQUEST_HEAD + length $bodies->[$index], CPANBridge::Wire::REQUEST, $tickets->[$index]{msgid}) . $bodies->[$index];
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
        my $method = $tickets->[0]{method};
        return $self->unsent_together($method, $deadline) if !$safe;
        $error = $self->_unsent($method, $deadline);
        return $error if !$error->{not_run};
        return $error if $tries-- <= 0 || CPANBridge::Lane::now() >= $deadline;
        $patience = $CPANBridge::DAEMON_STARTUP_TIMEOUT;
    }
}

# Several calls of which some bytes were taken, so some may have run.
sub unsent_together {
    my ($self, $method, $deadline) = @_;
    my $error = $self->_unsent($method, $deadline);
    return $error->{not_run} ? CPANBridge::Envelope::error('lost', $method, 'the broker closed the connection; calls may have run') : $error;
}

# Sends a message that is not answered, and sees it off.
sub send_message {
    my ($self, $message, $method) = @_;
    my $bytes = eval { CPANBridge::MessagePack->pack($message) };
    return CPANBridge::Envelope::unfit($method, CPANBridge::MessagePack::complaint()) if !defined $bytes;
    my $deadline = CPANBridge::Lane::now() + $self->{user}->_timeout;
    my ($tries, $patience) = ($self->{user}->_retry_count, 0);
    while (1) {
        my ($connection, $error) = $self->connect($deadline, $patience);
        return $error if $error;
        if ($connection->send_now(pack('N/a*', $bytes))) {
            while ($connection->has_unsent) {
                return CPANBridge::Envelope::error('timeout', $method, 'the broker did not take the message in time')
                    if CPANBridge::Lane::now() >= $deadline;
                $self->receive_one(CPANBridge::Lane::now() + PAUSE);
                return CPANBridge::Envelope::error('lost', $method, 'the broker closed the connection') if !$self->is_connected;
            }
            return;
        }
        $error = $self->_unsent($method, $deadline);
        return $error if !$error->{not_run} || $tries-- <= 0 || CPANBridge::Lane::now() >= $deadline;
        $patience = $CPANBridge::DAEMON_STARTUP_TIMEOUT;
    }
}

sub has_outstanding {
    my ($self) = @_;
    return $self->{refused} || ($self->is_connected && %{ $self->{tickets} }) ? 1 : 0;
}

# The broker is going and did not run the call: it is the next one's. Whether there are tries left for that.
sub _refuse {
    my ($self, $ticket) = @_;
    return 0 if !$ticket->{body} || ($ticket->{refusals} || 0) >= $self->{user}->_retry_count;
    $ticket->{refusals}++;
    $ticket->{process} = $$ + $CPANBridge::Lane::THREAD;
    $self->{refused_at} = CPANBridge::Lane::now() if !$self->{refused};
    push @{ $self->{refused} }, $ticket;
    return 1;
}

# Sends to the next broker what this one refused, once this one owes no other answer. That broker is waited for as long as a broker takes to
# start, and until $until at the most: where that comes first the calls are kept for the next time.
sub send_refused {
    my ($self, $until) = @_;
    return if !$self->{refused} || ($self->is_connected && %{ $self->{tickets} });
    my $now = CPANBridge::Lane::now();
    my $process = $$ + $CPANBridge::Lane::THREAD;
    $self->_drop_refused(sub {
        my ($ticket) = @_;
        return $ticket->{process} != $process ? CPANBridge::Envelope::error('lost', $ticket->method, 'the call was made by the parent process')
            : $ticket->{deadline} <= $now && CPANBridge::Envelope::too_late($ticket->method, $ticket->{limit});
    });
    my $refused = $self->{refused} or return;
    $self->lose('lost', 'the broker is shutting down');
    $self->{user}->_debug(@$refused . ' calls did not run, because the broker is shutting down; trying again');
    my $last = $self->{refused_at} + $CPANBridge::DAEMON_STARTUP_TIMEOUT;
    my $patience = ($until < $last ? $until : $last) - $now;
    my (undef, $error) = $self->connect($until, $patience > 0 ? $patience : 0);
    return if $error && CPANBridge::Lane::now() >= $until;
    # From here on they may be run. Whoever comes in after a handler died knows them by `sending`.
    my $tickets = $self->{sending} = delete $self->{refused};
    $error ||= $self->send_all($tickets, [map { ${ $_->{body} } } @$tickets], $until, 0);
    delete $self->{sending};
    $error && $self->_finish($_->settle($error)) for @$tickets;
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
    return 0 if !grep { $_ == $ticket } @{ $self->{refused} || [] };
    $self->_drop_refused(sub { $_[0] == $ticket && CPANBridge::Envelope::error('cancelled', $ticket->method, 'the call was cancelled') });
    return 1;
}

# Until this ticket is done. Answers to others are noted at theirs.
sub await {
    my ($self, $ticket) = @_;
    while (!$ticket->{done}) {
        $self->send_refused($ticket->{deadline}) if $self->{refused};
        last if $ticket->{done};
        my $is_refused = $self->{refused} && grep { $_ == $ticket } @{ $self->{refused} };
        if (!$is_refused && (!$self->is_connected || ($self->{tickets}{ $ticket->{msgid} } || 0) != $ticket)) {
            # Also where a signal's handler died between two steps.
            $ticket->settle(CPANBridge::Envelope::error('lost', $ticket->method, 'the call was made on a connection that is closed'));
            return;
        }
        my $connection = $self->is_connected && $self->{connection};
        my $has_come = $connection && ($self->take_answers($connection) || $self->receive_one($ticket->{deadline}));
        # Whatever comes: a broker that sends something else without end does not hold us.
        $self->expire if !$has_come || CPANBridge::Lane::now() >= $ticket->{deadline};
    }
    return;
}

# Takes what was received already, up to the first message that is not the answer to a call that succeeded: what `receive_one`
# does, in one loop without calls, because a pipeline's answers come by the hundred. A batch's answers go to it. How many it took.
sub take_answers {
    my ($self, $connection, $batch) = @_;
    my ($in, $tickets) = (\$connection->{in}, $self->{tickets});
    my ($first, $results) = $batch ? @{$batch}{qw(first results)} : LAST_MSGID + 1;
    my ($at, $have, $count) = (0, length $$in, 0);
    my $ticket;
    while ($have - $at >= 13) {
        my ($length, $kind, $msgid, $failure) = unpack 'Na3Na', substr $$in, $at, 12;
        last if $kind ne CPANBridge::Wire::ANSWER || $failure ne CPANBridge::Wire::NIL || $length < 9 || $have - $at < 4 + $length;
        # A batch's numbers are the last that were given. None is answered twice.
        $msgid < $first ? $ticket = $tickets->{$msgid} || last : $msgid - $first < $batch->{count} && !exists $results->[$msgid - $first] || last;
        # Read where it is as long as nothing else follows that could be taken for a part of it.
        my ($value, $end) = CPANBridge::Wire::unpack_flat($$in, $at + CPANBridge::Wire::ANSWER_HEAD + 4);
        if ($end && $end == $at + 4 + $length) {
            my $room = $self->{room} - $length - (ref $value ? CPANBridge::MessagePack::PAIR * keys %$value : 0);
            last if $room < 0;
            $self->{room} = $room;
        }
        else {
            my $bytes = substr $$in, $at + 12, $length - 8;
            ($value, $end, my $left) = eval { CPANBridge::MessagePack->unpack_at($bytes, 0, $self->{room}) };
            # What is wrong with it is found out by who looks at the whole message.
            CPANBridge::MessagePack::complaint();
            last if !defined $end || $end != $length - 8;
            $self->{room} = $left;
        }
        $at += 4 + $length;
        $count++;
        if ($msgid < $first) {
            delete $tickets->{$msgid};
            @{$ticket}{qw(done value)} = (1, $value);
            push @{ $self->{finished} }, $ticket if !$ticket->{awaited};
        }
        else {
            $results->[$msgid - $first] = $value;
            $batch->{left}--;
        }
        $self->expect_long($msgid < $first ? $ticket->{method} : $batch->{calls}[$msgid - $first][0], $value, $length) if $length > CPANBridge::Lane::LONG;
    }
    substr $$in, 0, $at, '' if $at;
    return $count;
}

# Gives up calls whose time is over. What comes for them later finds no ticket and is dropped.
sub expire {
    my ($self) = @_;
    my $now = CPANBridge::Lane::now();
    for my $msgid (keys %{ $self->{tickets} }) {
        my $ticket = $self->{tickets}{$msgid};
        next if $ticket->{deadline} > $now;
        delete $self->{tickets}{$msgid};
        $self->_finish($ticket->settle(CPANBridge::Envelope::too_late($ticket->method, $ticket->{limit})));
    }
    $self->_drop_refused(sub { $_[0]{deadline} <= $now && CPANBridge::Envelope::too_late($_[0]->method, $_[0]{limit}) }) if $self->{refused};
    return;
}

# Ends those of the refused calls for which a function has an error.
sub _drop_refused {
    my ($self, $error_of) = @_;
    my (@others, @ended);
    for my $ticket (@{ delete $self->{refused} || [] }) {
        my $error = $error_of->($ticket);
        $error ? push @ended, $ticket->settle($error) : push @others, $ticket;
    }
    $self->{refused} = \@others if @others;
    $self->_finish($_) for @ended;
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
    if (length $_[1] > 8 && substr($_[1], 0, 3) eq CPANBridge::Wire::ANSWER) {
        # What comes late reaches nobody, and nobody reads it.
        my $ticket = $self->{tickets}{ unpack 'x3N', $_[1] } or return;
        return $self->_take_image($ticket, $_[1]) if substr($_[1], 7, 2) eq CPANBridge::Wire::NIL . CPANBridge::Wire::IMAGE;
    }
    my ($message, $end, $left) = eval { CPANBridge::MessagePack->unpack_at($_[1], 0, $self->{room}) };
    my $why = CPANBridge::MessagePack::complaint();
    return $self->_lose_to_size if CPANBridge::Envelope::is_too_large($why);
    $why ||= 'bytes follow the value' if defined $end && $end != length $_[1];
    $self->{room} = $left if defined $left;
    if (!length $why && CPANBridge::Envelope::is_answer($message)) {
        my (undef, $msgid, $error, $value) = @$message;
        my $ticket = delete $self->{tickets}{$msgid} or return;
        return if ref $error eq 'HASH' && ($error->{code} || '') eq 'unavailable' && $self->_refuse($ticket);
        $ticket->settle(defined $error ? CPANBridge::Envelope::broker_error($error, $ticket->method, $ticket->{limit}) : undef, $value);
        $self->expect_long($ticket->method, $value, $end) if $end > CPANBridge::Lane::LONG && !defined $error;
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
        @{$self}{qw(memory has_images read_image connection)} = (0, 0, 0, $connection);
        $self->_make_room;
        return $connection;
    }
    return (undef, CPANBridge::Envelope::error('connect', undef, $why));
}

sub disconnect {
    my ($self) = @_;
    # Whoever waits on it in the call that this comes into need not wait on.
    shutdown $self->{connection}->handle, 2 if $self->{user} && $self->is_connected;
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
        # A call's own time may be over before this wait is.
        my ($first) = sort { $a <=> $b } $deadline, map { $_->{deadline} } values %{ $self->{tickets} }, @{ $self->{refused} || [] };
        $self->send_refused($first);
        my $has_come = %{ $self->{tickets} } && $self->receive_one($first);
        my $now = CPANBridge::Lane::now();
        $self->expire if !$has_come || $now >= $first;
        last if $now >= $deadline && (!$has_come || $now >= $deadline + DRAIN);
    }
    # Whatever else has come already: it would not make the socket readable again. But not for ever, where something always has.
    my $until = CPANBridge::Lane::now() + DRAIN;
    while ($self->is_connected && %{ $self->{tickets} } && $self->receive_one(0)) {
        last if CPANBridge::Lane::now() >= $until;
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

    my ($error, $result) = $session->after_lane($method, $request, $handle, $sent, $count, $received, $seconds, $begin);

The same for a call that L<CPANBridge::Lane> made, if it did not go smoothly.

=head2 given_up

    my $error = $session->given_up($method);

The error of a call whose connection the script has closed meanwhile.

=head2 pipeline

    my @results = $session->pipeline([[$method, \%parameters, %options], ...]);

Many calls: of each its result, or a L<CPANBridge::Error>.

=head2 new_ticket

=head2 send_all

    my $error = $session->send_all(\@tickets, \@bodies, $deadline);

Numbers a call; sends calls in one write.

=head2 unsent_together

    my $error = $session->unsent_together($method, $deadline);

The error of calls of which the kernel took some bytes before the connection ended.

=head2 take_answers

    my $count = $session->take_answers($connection, $batch);

Takes plain answers off a connection, to tickets or to a L<CPANBridge::Batch>.

=head2 send_message

    my $error = $session->send_message($message, $method);

Sends a message that is not answered.

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

=head2 expect_long

    $session->expect_long($method, $result, $length);

Notes that a method's result was so many bytes long: the next is asked for as an image, if that pays.

=head2 long_here

The methods whose results are long, if this connection's broker is known to send images.

=head2 send_refused

    $session->send_refused($until);

Sends calls to the next broker that this one answered C<unavailable>. Those that could not be sent by then are kept.

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
