package CPANBridge;

use strict;
use warnings;

use Carp ();
use CPANBridge::Connection ();
use CPANBridge::Error ();
use CPANBridge::Launcher ();
use CPANBridge::MessagePack ();
use CPANBridge::Ticket ();

our $VERSION = '0.100';

# What scripts of the old client set. Read at call time; whoever set them before loading us is heard.
our ($DAEMON_MODE, $FALLBACK_ENABLED, $DEBUG_LEVEL, $TIMEOUT, $RETRY_COUNT, $MAX_JSON_SIZE);
our ($DAEMON_SOCKET, $DAEMON_TIMEOUT, $DAEMON_STARTUP_TIMEOUT);
our ($PYTHON_PATH, $PYTHON_BRIDGE_SCRIPT, $DAEMON_SCRIPT);

$DAEMON_MODE            = _from_environment('CPAN_BRIDGE_DAEMON',          1)  if !defined $DAEMON_MODE;
$FALLBACK_ENABLED       = _from_environment('CPAN_BRIDGE_FALLBACK',        1)  if !defined $FALLBACK_ENABLED;
$DEBUG_LEVEL            = _from_environment('CPAN_BRIDGE_DEBUG',           0)  if !defined $DEBUG_LEVEL;
$DAEMON_TIMEOUT         = _from_environment('CPAN_BRIDGE_DAEMON_TIMEOUT',  30) if !defined $DAEMON_TIMEOUT;
$DAEMON_STARTUP_TIMEOUT = _from_environment('CPAN_BRIDGE_STARTUP_TIMEOUT', 10) if !defined $DAEMON_STARTUP_TIMEOUT;
$TIMEOUT       = 60         if !defined $TIMEOUT;
$RETRY_COUNT   = 3          if !defined $RETRY_COUNT;
$MAX_JSON_SIZE = 10_000_000 if !defined $MAX_JSON_SIZE;

# Everything of ours in an object, under one key: the rest of the hash belongs to classes that inherit, except for what
# the old client kept there in the open.
use constant KEY => '_cpanbridge';

# Below this, numbers of calls take another form on the wire; with one form for all, the answer to a call is recognised
# by comparing eight bytes.
use constant FIRST_MSGID => 128;
use constant LAST_MSGID  => 4_294_967_295;
# How long to wait before trying again to reach a broker that is just starting or just going.
use constant PAUSE => 0.02;

my %ARGUMENT = map { $_ => 1 } qw(socket timeout autostart persistent retry_count debug max_json_size);

sub new {
    my ($class, %args) = @_;
    $class = ref $class if ref $class;
    # Classes that inherit have arguments of their own.
    if ($class eq __PACKAGE__ && (my @unknown = grep { !$ARGUMENT{$_} } sort keys %args)) {
        Carp::croak("unknown argument to CPANBridge->new: @unknown (known are " . join(', ', sort keys %ARGUMENT) . ')');
    }
    my $self = bless {
        debug             => defined $args{debug}         ? $args{debug}         : $DEBUG_LEVEL,
        timeout           => defined $args{timeout}       ? $args{timeout}       : $TIMEOUT,
        retry_count       => defined $args{retry_count}   ? $args{retry_count}   : $RETRY_COUNT,
        max_json_size     => defined $args{max_json_size} ? $args{max_json_size} : $MAX_JSON_SIZE,
        last_error        => '',
        performance_stats => {},
    }, $class;
    $self->{ +KEY } = {
        socket     => $args{socket},
        autostart  => $args{autostart},
        persistent => defined $args{persistent} ? $args{persistent} : 1,
        msgid      => FIRST_MSGID,
        tickets    => {},
        finished   => [],
        # A value that is still this one was not chosen, so the package variable counts.
        timeout     => defined $args{timeout}     ? undef : $TIMEOUT,
        retry_count => defined $args{retry_count} ? undef : $RETRY_COUNT,
    };
    return $self;
}

# --- Calls

# Between any two steps of what follows a signal's handler may run, and it may make calls, or die. So every method that
# uses the connection begins with _enter and ends with _leave, and sets `busy` as long as it runs: who finds it set has come
# from a handler (or a progress callback) and gets a connection of his own; who finds the way in not closed behind somebody
# knows that he died within, with bytes in his hands, and that the connection is no good any more.

sub call {
    my ($self, $method, $params, %options) = @_;
    my $state = $self->{ +KEY };
    return $self->_sibling->call($method, $params, %options) if $state->{busy};
    my ($error, $result);
    {
        # An error is thrown after these are restored, so that it is not lost with them.
        local ($@, $!);
        local $state->{busy} = 1;
        $self->_enter;
        ($error, $result) = $self->_call($method, $params, \%options);
        $self->{last_error} = $error ? $error->message : '';
        $self->_leave;
    }
    die $error if $error;
    return $result;
}

sub pipeline {
    my ($self, @calls) = @_;
    my $state = $self->{ +KEY };
    return $self->_sibling->pipeline(@calls) if $state->{busy};
    local ($@, $!);
    local $state->{busy} = 1;
    $self->_enter;
    my @results = map { $_->error || $_->{value} } $self->_pipeline(\@calls);
    $self->_leave;
    return @results;
}

sub send_call {
    my ($self, $method, $params, %options) = @_;
    my $state = $self->{ +KEY };
    Carp::croak('send_call within another call of the same object') if $state->{busy};
    local ($@, $!);
    local $state->{busy} = 1;
    $self->_enter;
    my $limit = $self->_time_limit(\%options);
    my $deadline = CPANBridge::Connection::now() + $limit;
    my $ticket = $self->_ticket($method, $deadline, $options{progress});
    my ($error, $body) = _encode($method, $params, \%options, $limit);
    $error ||= $self->_send_all([$ticket], [$body], $deadline);
    $self->_leave;
    return $error ? $ticket->settle($error) : $ticket;
}

sub wait_for {
    my ($self, $ticket) = @_;
    my $state = $self->{ +KEY };
    Carp::croak('wait_for within another call of the same object') if $state->{busy} && !$ticket->is_done;
    if (!$state->{busy}) {
        local ($@, $!);
        local $state->{busy} = 1;
        $self->_enter;
        $self->_await($ticket);
        @{ $state->{finished} } = grep { $_ != $ticket } @{ $state->{finished} };
        $self->_leave;
    }
    return $ticket->result;
}

sub poll {
    my ($self, $seconds) = @_;
    my $state = $self->{ +KEY };
    return if $state->{busy};
    local ($@, $!);
    local $state->{busy} = 1;
    $self->_enter;
    my $deadline = CPANBridge::Connection::now() + ($seconds || 0);
    while ($self->_outstanding && !@{ $state->{finished} }) {
        # A call's own time may be over before this wait is.
        my ($first) = sort { $a <=> $b } $deadline, map { $_->{deadline} } values %{ $state->{tickets} };
        next if $self->_receive_one($first);
        $self->_expire;
        last if CPANBridge::Connection::now() >= $deadline;
    }
    # Whatever else has come already.
    1 while $self->_outstanding && $self->_receive_one(0);
    $self->_leave;
    return splice @{ $state->{finished} };
}

sub notify {
    my ($self, $method, $params) = @_;
    my $state = $self->{ +KEY };
    return $self->_sibling->notify($method, $params) if $state->{busy};
    my $error;
    {
        local ($@, $!);
        local $state->{busy} = 1;
        $self->_enter;
        my $bytes = eval { CPANBridge::MessagePack->pack([2, $method, $params || {}]) };
        $error = defined $bytes ? $self->_send_whole($bytes, $method) : _unfit($method, _complaint());
        $self->_leave;
    }
    die $error if $error;
    return;
}

sub cancel {
    my ($self, $ticket) = @_;
    my $state = $self->{ +KEY };
    return if $ticket->is_done || $state->{busy} || !$self->_is_connected;
    local ($@, $!);
    local $state->{busy} = 1;
    $self->_enter;
    $self->_send_whole(CPANBridge::MessagePack->pack([2, 'rpc.cancel', [$ticket->{msgid}]]), 'rpc.cancel')
        if !$ticket->is_done;
    $self->_leave;
    return;
}

sub fileno {    ## no critic (ProhibitBuiltinHomonyms)
    my ($self) = @_;
    my ($error, $number);
    {
        local ($@, $!);
        $self->_enter if !$self->{ +KEY }{busy};
        my ($connection, $why) = $self->_connect(CPANBridge::Connection::now() + $self->_timeout, 0);
        ($error, $number) = ($why, $connection && CORE::fileno $connection->handle);
        $self->_leave;
    }
    die $error if $error;
    return $number;
}

sub _enter {
    my ($self) = @_;
    my $state = $self->{ +KEY };
    $self->_lose('lost', 'a call on the same connection was broken off; this call may have run') if $state->{entered};
    $state->{entered} = 1;
    return;
}

sub _leave {
    my ($self) = @_;
    $self->{ +KEY }{entered} = 0;
    return;
}

# The same settings, a connection of its own that does not stay.
sub _sibling {
    my ($self) = @_;
    my %settings = %$self;
    my $state = delete $settings{ +KEY };
    my $sibling = __PACKAGE__->new(socket => $state->{socket}, autostart => $state->{autostart}, persistent => 0);
    @{$sibling}{qw(debug timeout retry_count)} = @settings{qw(debug timeout retry_count)};
    return $sibling;
}

sub disconnect {
    my ($self) = @_;
    local ($@, $!);
    return if !$self->{ +KEY };
    $self->_lose('cancelled', 'the script closed the connection');
    return;
}

sub DESTROY {
    my ($self) = @_;
    # Closing must not be seen by whoever is unwinding or exiting.
    local ($@, $!, $?);
    delete $self->{ +KEY };
    return;
}

# --- The existing interface

sub call_python {
    my ($self, $module, $function, $params) = @_;
    Carp::croak('Module name required')   if !defined $module   || !length $module;
    Carp::croak('Function name required') if !defined $function || !length $function;
    local ($@, $!);
    my $state = $self->{ +KEY };
    return $self->_sibling->call_python($module, $function, $params) if $state && $state->{busy};
    my $begin = CPANBridge::Connection::now();
    my $method = "$module.$function";
    my ($error, $result);
    if ($state) {
        local $state->{busy} = 1;
        $self->_enter;
        ($error, $result) = $self->_call_anyhow($method, $params);
        $self->_leave;
    }
    else {
        # At the program's end objects are taken apart in any order, and destructors still make calls.
        $error = _error('lost', $method, 'the object is destroyed already');
    }
    my $duration = CPANBridge::Connection::now() - $begin;
    my $stats = $self->{performance_stats}{$method} ||= { call_count => 0 };
    $stats->{last_duration} = $duration;
    $stats->{call_count}++;
    $self->{last_error} = $error ? $error->message : '';
    $self->_debug(sprintf '%s %s in %.4f s', $method, $error ? 'failed (' . $error->code . ')' : 'done', $duration);
    return _payload($result) if !$error;
    return {
        success  => 0,
        error    => $error->message,
        code     => $error->code,
        module   => $module,
        function => $function,
        duration => $duration,
    };
}

sub _call_anyhow {
    my ($self, $method, $params) = @_;
    return $self->_oneshot($method, $params) if !$DAEMON_MODE;
    my ($error, $result) = $self->_call($method, $params, {});
    return ($error, $result) if !$error || $error->code ne 'connect' || !$FALLBACK_ENABLED;
    $self->_debug('no broker: ' . $error->message);
    my ($failed, $answer) = $self->_oneshot($method, $params);
    # Without the program there is no fallback either; then what keeps the broker away is what to tell.
    return $failed && $failed->code eq 'connect' ? ($error) : ($failed, $answer);
}

# The result at every depth at which scripts look for it.
sub _payload {
    my ($payload) = @_;
    return { success => 1, result => $payload } if ref $payload ne 'HASH';
    my %inner = (success => 1, result => $payload, %$payload);
    return { success => 1, result => \%inner, %$payload };
}

sub get_last_error        { return $_[0]->{last_error} }
sub get_performance_stats { return $_[0]->{performance_stats} }
sub get_last_python_output { return undef }    ## no critic (ProhibitExplicitReturnUndef)

sub clear_performance_stats {
    my ($self) = @_;
    $self->{performance_stats} = {};
    return;
}

sub set_debug         { my ($self, $value) = @_; $self->{debug}         = $value; return }
sub set_max_json_size { my ($self, $value) = @_; $self->{max_json_size} = $value; return }

sub set_timeout {
    my ($self, $value) = @_;
    $self->{timeout} = $value;
    $self->{ +KEY }{timeout} = undef;
    return;
}

sub set_retry_count {
    my ($self, $value) = @_;
    $self->{retry_count} = $value;
    $self->{ +KEY }{retry_count} = undef;
    return;
}

sub test_python_bridge {
    my ($self) = @_;
    return $self->call_python('test', 'ping', {})->{success} ? 1 : 0;
}

sub check_python_module {
    my ($self, $name) = @_;
    my $result = $self->call_python('test', 'check_module', { module => $name });
    return $result->{success} && $result->{result} ? 1 : 0;
}

sub _debug {
    my ($self, $message) = @_;
    return if !$self->{debug} && !$DEBUG_LEVEL;
    local ($\, $,, $!);
    print {*STDERR} "[CPANBridge] $message\n";
    return;
}

# --- Settings in force

sub _timeout {
    my ($self) = @_;
    my $default = $self->{ +KEY }{timeout};
    my $own = $self->{timeout};
    return $TIMEOUT if !defined $own || defined $default && $own eq $default;
    return $own;
}

sub _retry_count {
    my ($self) = @_;
    my $default = $self->{ +KEY }{retry_count};
    my $own = $self->{retry_count};
    return $RETRY_COUNT if !defined $own || defined $default && $own eq $default;
    return $own;
}

sub _time_limit {
    my ($self, $options) = @_;
    return defined $options->{timeout} ? $options->{timeout} : $self->_timeout;
}

sub _from_environment {
    my ($name, $default) = @_;
    my $value = $ENV{$name};
    return defined $value && $value =~ /\A([0-9]+(?:\.[0-9]+)?)\z/ ? $1 + 0 : $default;
}

# --- One call

# (error) or (undef, result).
sub _call {
    my ($self, $method, $params, $options) = @_;
    my $timeout = $self->_time_limit($options);
    my ($error, $body) = _encode($method, $params, $options, $timeout);
    return $error if $error;
    my $deadline = CPANBridge::Connection::now() + $timeout;
    my ($tries, $patience) = ($self->_retry_count, 0);
    my $result;
    while (1) {
        ($error, $result) = $self->_attempt($method, $body, $timeout, $deadline, $options->{progress}, $patience);
        last if !$error || !$error->{not_run} || $tries-- <= 0;
        # There was a broker a moment ago, so another one is probably coming up.
        $patience = $DAEMON_STARTUP_TIMEOUT;
        $self->_debug("$method did not run (" . $error->message . '), trying again');
    }
    $self->disconnect if !$self->{ +KEY }{persistent} && !$self->_outstanding;
    my $wants_content = $error && $error->code eq 'denied' && $error->data && $error->data->{send_content_as};
    return $wants_content ? $self->_call_with_content($method, $params, $options, $error) : ($error, $result);
}

# One try. Errors of calls that certainly did not run have `not_run` set.
sub _attempt {
    my ($self, $method, $body, $timeout, $deadline, $progress, $patience) = @_;
    my ($connection, $error) = $self->_connect($deadline, $patience);
    return $error if $error;
    my $state = $self->{ +KEY };
    if (!$progress && !%{ $state->{tickets} }) {
        # The usual case, without a ticket: one write, one read, and the answer recognised by its first bytes.
        my $msgid = $state->{msgid}++;
        $state->{msgid} = FIRST_MSGID if $msgid >= LAST_MSGID;
        my $head = pack 'N', $msgid;
        if (!$connection->send_now(pack('N', 7 + length $body) . "\x95\x00\xce$head$body")) {
            return $self->_unsent($method);
        }
        my $answer = $connection->read_one($timeout);
        if (defined $answer && substr($answer, 0, 8) eq "\x94\x01\xce$head\xc0") {
            my $result = eval { (CPANBridge::MessagePack->unpack_at($answer, 8))[0] };
            return (undef, $result) if !_complaint();
        }
        my $ticket = $state->{tickets}{$msgid} = CPANBridge::Ticket->new(
            method => $method, deadline => $deadline, msgid => $msgid, queued => $connection->queued);
        $self->_take($answer) if defined $answer;
        return $self->_outcome($ticket);
    }
    my $ticket = $self->_ticket($method, $deadline, $progress);
    $error = $self->_send_all([$ticket], [$body], $deadline);
    return $error || $self->_outcome($ticket);
}

# A request could not be sent whole, so it did not run. Why: the broker may have said so before it closed.
sub _unsent {
    my ($self, $method) = @_;
    my $state = $self->{ +KEY };
    while (defined(my $frame = $state->{connection}->receive(0))) {
        $self->_take($frame);
        last if !$state->{connection};
    }
    my $word = $state->{last_word};
    $self->_lose('lost', 'the broker closed the connection; the call may have run');
    return CPANBridge::Error->new(method => $method, code => $word->{code}, message => $word->{message}) if $word;
    return _not_run($method, 'the broker closed the connection before it took the request');
}

sub _outcome {
    my ($self, $ticket) = @_;
    $self->_await($ticket);
    @{ $self->{ +KEY }{finished} } = grep { $_ != $ticket } @{ $self->{ +KEY }{finished} };
    my $error = $ticket->error or return (undef, $ticket->{value});
    if ($error->code eq 'unavailable') {
        # It is going; the next one may listen in its place already.
        $self->disconnect;
        $error->{not_run} = 1;
    }
    return $error;
}

# The broker may not open the file for us; we may read it ourselves and send what is in it.
sub _call_with_content {
    my ($self, $method, $params, $options, $denied) = @_;
    my ($name, $instead) = @{ $denied->data }{qw(parameter send_content_as)};
    my $path = $params->{$name};
    return $denied if exists $params->{$instead} || !defined $path;
    my $content = do {
        local $/;
        open my $file, '<', $path or return _error('failed', $method, "Failed to read key from file: $path: $!");
        binmode $file;
        readline $file;
    };
    my %changed = (%$params, $instead => defined $content ? $content : '');
    delete $changed{$name};
    return $self->_call($method, \%changed, $options);
}

# Bytes of everything behind the msgid: method, parameters, options.
my %METHOD;

sub _encode {
    my ($method, $params, $options, $timeout) = @_;
    Carp::croak('a method is named module.function') if !defined $method || !length $method;
    my $name = $METHOD{$method};
    if (!defined $name) {
        $name = CPANBridge::MessagePack->pack("$method");
        # Scripts call a handful of methods; whoever makes up names must not fill the memory.
        $METHOD{$method} = $name if keys %METHOD < 1000;
    }
    my $bytes = !defined $params ? "\x80" : eval { CPANBridge::MessagePack->pack($params) };
    return _unfit($method, _complaint()) if !defined $bytes;
    my $milliseconds = int($timeout * 1000 + 0.5);
    $milliseconds = $milliseconds < 1 ? 1 : $milliseconds > LAST_MSGID ? LAST_MSGID : $milliseconds;
    my $limit = pack 'N', $milliseconds;
    return (undef, $options->{progress}
        ? "$name$bytes\x82\xaatimeout_ms\xce$limit\xa8progress\xc3"
        : "$name$bytes\x81\xaatimeout_ms\xce$limit");
}

sub _error {
    my ($code, $method, $message) = @_;
    return CPANBridge::Error->new(code => $code, method => $method, message => $message);
}

# What the codec has to say after an eval. Anything else was not meant for us: a signal's handler died, and whoever set it
# is waiting for that further up.
sub _complaint {
    my $why = $@;
    return '' if !ref $why && $why eq '';
    die $why if ref $why || $why !~ /\A(?:not MessagePack|no MessagePack form): /;
    chomp $why;
    return $why;
}

sub _unfit {
    my ($method, $why) = @_;
    return _error('invalid_params', $method, "the parameters can't be sent: $why");
}

sub _not_run {
    my ($method, $message) = @_;
    my $error = _error('lost', $method, $message);
    $error->{not_run} = 1;
    return $error;
}

# --- Many calls

sub _ticket {
    my ($self, $method, $deadline, $progress) = @_;
    my $state = $self->{ +KEY };
    my $msgid = $state->{msgid}++;
    $state->{msgid} = FIRST_MSGID if $msgid >= LAST_MSGID;
    return CPANBridge::Ticket->new(method => $method, deadline => $deadline, progress => $progress, msgid => $msgid);
}

sub _pipeline {
    my ($self, $calls) = @_;
    my $deadline = CPANBridge::Connection::now() + $self->_timeout;
    my (@all, @tickets, @bodies);
    for my $call (@$calls) {
        my ($method, $params, %options) = @$call;
        my $ticket = $self->_ticket($method, $deadline, $options{progress});
        my ($error, $body) = _encode($method, $params, \%options, $self->_time_limit(\%options));
        push @all, $error ? $ticket->settle($error) : $ticket;
        next if $error;
        push @tickets, $ticket;
        push @bodies,  $body;
    }
    my $error = @tickets ? $self->_send_all(\@tickets, \@bodies, $deadline) : undef;
    for my $ticket (@tickets) {
        $error ? $ticket->settle($error) : $self->_await($ticket);
    }
    my %mine = map { $_ => 1 } @tickets;
    @{ $self->{ +KEY }{finished} } = grep { !$mine{$_} } @{ $self->{ +KEY }{finished} };
    $self->disconnect if !$self->{ +KEY }{persistent} && !$self->_outstanding;
    return @all;
}

# Sends calls in one write, as far as the kernel takes them now. An error if they could not be sent at all.
sub _send_all {
    my ($self, $tickets, $bodies, $deadline) = @_;
    my $state = $self->{ +KEY };
    my ($tries, $patience) = ($self->_retry_count, 0);
    while (1) {
        my ($connection, $error) = $self->_connect($deadline, $patience);
        return $error if $error;
        my $bytes = '';
        for my $index (0 .. $#$tickets) {
            $bytes .= pack('NA3N', 7 + length $bodies->[$index], "\x95\x00\xce", $tickets->[$index]{msgid}) . $bodies->[$index];
        }
        my $before = $connection->sent;
        my $unsent = $connection->has_unsent;
        if ($connection->send_now($bytes)) {
            for my $ticket (@$tickets) {
                $ticket->{queued} = $connection->queued;
                $state->{tickets}{ $ticket->{msgid} } = $ticket;
            }
            return;
        }
        # With one call that is not wholly sent, or several of which no byte is, none can have been acted on.
        my $safe = @$tickets == 1 || (!$unsent && $connection->sent == $before);
        $error = $self->_unsent($tickets->[0]{method});
        return $error if !$error->{not_run};
        return _error('lost', $tickets->[0]{method}, 'the broker closed the connection; calls may have run') if !$safe;
        return $error if $tries-- <= 0;
        $patience = $DAEMON_STARTUP_TIMEOUT;
    }
}

# Sends one message and sees it off.
sub _send_whole {
    my ($self, $message, $method) = @_;
    my $deadline = CPANBridge::Connection::now() + $self->_timeout;
    my ($tries, $patience) = ($self->_retry_count, 0);
    while (1) {
        my ($connection, $error) = $self->_connect($deadline, $patience);
        return $error if $error;
        if ($connection->send_now(pack('N/a*', $message))) {
            while ($connection->has_unsent) {
                return _error('timeout', $method, 'the broker did not take the message in time')
                    if CPANBridge::Connection::now() >= $deadline;
                $self->_receive_one(CPANBridge::Connection::now() + PAUSE);
                return _error('lost', $method, 'the broker closed the connection') if !$self->_is_connected;
            }
            return;
        }
        $error = $self->_unsent($method);
        return $error if !$error->{not_run} || $tries-- <= 0;
        $patience = $DAEMON_STARTUP_TIMEOUT;
    }
}

sub _outstanding {
    my ($self) = @_;
    my $state = $self->{ +KEY };
    return $self->_is_connected && %{ $state->{tickets} } ? 1 : 0;
}

# Until this ticket is done. Answers to others are noted at theirs.
sub _await {
    my ($self, $ticket) = @_;
    while (!$ticket->is_done) {
        if (!$self->_is_connected) {
            $ticket->settle(_error('lost', $ticket->method, 'the call was made on a connection that is closed'));
            return;
        }
        next if $self->_receive_one($ticket->{deadline});
        $self->_expire;
    }
    return;
}

# Gives up calls whose time is over. What comes for them later finds no ticket and is dropped.
sub _expire {
    my ($self) = @_;
    my $state = $self->{ +KEY };
    my $now = CPANBridge::Connection::now();
    for my $msgid (keys %{ $state->{tickets} }) {
        my $ticket = $state->{tickets}{$msgid};
        next if $ticket->{deadline} > $now;
        delete $state->{tickets}{$msgid};
        $self->_finish($ticket->settle(_error('timeout', $ticket->method, 'no answer in time')));
    }
    return;
}

# Waits for one message and deals with it. True if there was one, or if the connection ended: something has changed.
sub _receive_one {
    my ($self, $deadline) = @_;
    my $connection = $self->{ +KEY }{connection};
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
    my ($self, $frame) = @_;
    my $state = $self->{ +KEY };
    my $message = eval { CPANBridge::MessagePack->unpack($frame) };
    my $why = _complaint();
    if (ref $message ne 'ARRAY' || !@$message) {
        $why ||= 'no array';
        return $self->_lose('protocol', "the broker sent what is no message: $why");
    }
    my ($type, @rest) = @$message;
    if ($type == 1) {
        my ($msgid, $error, $value) = @rest;
        my $ticket = delete $state->{tickets}{$msgid} or return;
        $ticket->settle(defined $error ? _broker_error($error, $ticket->method) : undef, $value);
        $self->_finish($ticket);
        return;
    }
    my ($what, $parameters) = @rest;
    my $fact = $parameters->[0];
    if ($what eq 'rpc.progress') {
        my $ticket = $state->{tickets}{ $fact->{msgid} };
        $ticket->{progress}->(@{$fact}{qw(done total unit)}) if $ticket && $ticket->{progress};
    }
    elsif ($what eq 'rpc.error') {
        # The end of the connection follows; this is its reason.
        $state->{last_word} = $fact;
    }
    return;
}

sub _finish {
    my ($self, $ticket) = @_;
    push @{ $self->{ +KEY }{finished} }, $ticket;
    return;
}

sub _broker_error {
    my ($error, $method) = @_;
    return _error('failed', $method, "$error") if ref $error ne 'HASH';
    return CPANBridge::Error->new(method => $method, map { $_ => $error->{$_} } qw(code message data));
}

# The connection has ended: what that means for the calls under way.
sub _end {
    my ($self, $failure) = @_;
    my $state = $self->{ +KEY };
    my $last_word = $state->{last_word};
    return $self->_lose($last_word->{code} || 'protocol', $last_word->{message}) if $last_word;
    return $self->_lose('protocol', 'the broker sent what is no message') if $failure eq 'protocol';
    my @tickets = values %{ $state->{tickets} };
    if ($failure eq 'reset' && @tickets == 1 && $tickets[0]{queued} == $state->{connection}->queued) {
        # The kernel reports a reset if something of what we sent was not taken. If nothing was sent after this call, its
        # own end was not taken, and a call that was not taken whole was not acted on.
        delete $state->{connection};
        %{ $state->{tickets} } = ();
        $self->_finish(
            $tickets[0]->settle(_not_run($tickets[0]->method, 'the broker closed the connection before it took the request')));
        return;
    }
    return $self->_lose('lost', 'the broker closed the connection before it answered; the call may have run');
}

# Drops the connection; calls under way fail.
sub _lose {
    my ($self, $code, $message) = @_;
    my $state = $self->{ +KEY };
    delete @{$state}{qw(connection last_word)};
    for my $ticket (values %{ $state->{tickets} }) {
        $self->_finish($ticket->settle(_error($code, $ticket->method, $message)));
    }
    %{ $state->{tickets} } = ();
    return;
}

# --- Reaching a broker

sub _is_connected {
    my ($self) = @_;
    my $connection = $self->{ +KEY }{connection};
    return $connection && $connection->is_mine;
}

# (connection) or (undef, error). $patience: how long a broker that is not there is waited for.
sub _connect {
    my ($self, $deadline, $patience) = @_;
    my $state = $self->{ +KEY };
    if (my $connection = $state->{connection}) {
        return $connection if $connection->{pid} == $$;
        # After a fork: the parent's connection, and the parent's calls.
        $self->_lose('lost', 'the call was made by the parent process');
        @{ $state->{finished} } = ();
    }
    my ($named, @paths) = $self->_paths;
    my $until = CPANBridge::Connection::now() + $patience;
    $until = $deadline if $until > $deadline;
    my $why;
    while (1) {
        (my $connection, $why) = $self->_try($named, @paths);
        return $state->{connection} = $connection if $connection;
        last if $self->_may_start($named) || CPANBridge::Connection::now() >= $until;
        select undef, undef, undef, PAUSE;
    }
    return (undef, _error('connect', undef, $why . _advice($named))) if !$self->_may_start($named);
    return $self->_start_and_connect($named, $paths[0]);
}

sub _start_and_connect {
    my ($self, $named, $path) = @_;
    my $state = $self->{ +KEY };
    my $deadline = CPANBridge::Connection::now() + $DAEMON_STARTUP_TIMEOUT;
    $self->_debug("starting a broker on $path");
    my ($started, $reason) = CPANBridge::Launcher::start($path, $deadline);
    # Somebody else was first: that one is as good, as soon as it listens.
    my $other = $reason =~ /another broker holds/;
    my $why;
    while (1) {
        (my $connection, $why) = $self->_try($named, $path);
        return $state->{connection} = $connection if $connection;
        last if !($started || $other) || CPANBridge::Connection::now() >= $deadline;
        select undef, undef, undef, PAUSE;
    }
    $reason = $why if !length $reason;
    return (undef, _error('connect', undef, "no broker listens on $path, and none could be started: $reason"));
}

# Tries every place once. (connection) or (undef, why not).
sub _try {
    my ($self, $named, @paths) = @_;
    my $why;
    for my $path (@paths) {
        if (!$named && defined(my $distrust = CPANBridge::Launcher::distrust($path))) {
            $why = "the socket $path is not to be trusted: $distrust";
            next;
        }
        my $connection = CPANBridge::Connection->open($path, $DAEMON_TIMEOUT);
        return $connection if $connection;
        # What is worth telling is why a socket that is there could not be used.
        $why = "can't connect to $path: $!" if !defined $why || !$!{ENOENT};
    }
    return (undef, $why);
}

# Whether the place was named, and the places to try.
sub _paths {
    my ($self) = @_;
    for my $given ($self->{ +KEY }{socket}, $DAEMON_SOCKET, $ENV{CPAN_BRIDGE_SOCKET}) {
        next if !defined $given || !length $given;
        # Whoever may set the environment or the argument may name the socket; only its form is checked.
        return (1, $given =~ m{\A([^\0]+)\z}s);
    }
    my %seen;
    return (0, map { m{\A([^\0]+)\z}s } grep { !$seen{$_}++ } CPANBridge::Launcher::sockets());
}

sub _may_start {
    my ($self, $named) = @_;
    my $autostart = $self->{ +KEY }{autostart};
    return $named ? $autostart : !defined $autostart || $autostart;
}

sub _advice {
    my ($named) = @_;
    return $named
        ? '; start a broker there (cpan-bridge serve --socket PATH), or create the object with autostart => 1'
        : '; start a broker (cpan-bridge serve), or create the object with autostart => 1';
}

# A process of its own for one call.
sub _oneshot {
    my ($self, $method, $params) = @_;
    my $timeout = $self->_timeout;
    my ($error, $body) = _encode($method, $params, {}, $timeout);
    return $error if $error;
    my $frame = pack('NA3N', 7 + length $body, "\x95\x00\xce", FIRST_MSGID) . $body;
    my ($answer, $why) = CPANBridge::Launcher::oneshot($frame, CPANBridge::Connection::now() + $timeout);
    return _error('connect', $method, $why) if !defined $answer;
    my $message = eval { CPANBridge::MessagePack->unpack($answer) };
    _complaint();
    return _error('protocol', $method, 'the program sent what is no answer') if ref $message ne 'ARRAY' || @$message < 3;
    my (undef, undef, $failure, $value) = @$message;
    return _broker_error($failure, $method) if ref $failure eq 'HASH';
    return (undef, $value);
}

1;

__END__

=encoding utf8

=head1 NAME

CPANBridge - calls the broker cpan-bridge, with core Perl only

=head1 SYNOPSIS

    use CPANBridge;

    my $bridge = CPANBridge->new;
    my $cipher = $bridge->call('crypto.new', { key => $key, cipher => 'Blowfish' })->{cipher_id};
    my $hex    = $bridge->call('crypto.encrypt', { cipher_id => $cipher, plaintext => 'Hello' })->{encrypted};

    # As scripts of the old client have it:
    my $result = $bridge->call_python('crypto', 'decrypt', { cipher_id => $cipher, hex_ciphertext => $hex });
    die $result->{error} unless $result->{success};
    print $result->{result}{decrypted}, "\n";

=head1 DESCRIPTION

A client for the broker C<cpan-bridge>: pure Perl 5.10.1 or later, core modules only. Copying the folder that holds this
file and C<CPANBridge/> to a host is a valid installation. What can be called is listed by C<cpan-bridge modules>.

No method uses C<alarm>; none can raise C<SIGPIPE>; signals interrupt no call, their handlers run and the call goes on. C<$@>,
C<$!>, C<$_>, C<$/>, C<$\>, C<$,>, C<$?> and C<%SIG> are left as they are. After a C<fork> the child opens a connection of its own.

A connection that the broker closed while it was idle is opened anew, without a word. A request is sent a second time only if
the broker can't have taken it whole; one that it may have run is never repeated, but fails with the code C<lost>.

=head2 Which broker

The socket is the argument C<socket>, else C<$CPANBridge::DAEMON_SOCKET>, else C<CPAN_BRIDGE_SOCKET>. If none of these is
set, the places where a broker of this user listens by default are tried, and then the system-wide service:
C<$XDG_RUNTIME_DIR/cpan-bridge/broker.sock>, C</tmp/cpan-bridge-UID/broker.sock>, C</run/cpan-bridge/broker.sock>. In these places
a socket whose directory belongs to somebody else is not trusted.

If nobody listens there, a broker is started in the background; it ends when it was not needed for 15 minutes. Its program is
the one that C<CPAN_BRIDGE_BIN> names, else C<cpan-bridge> in C<PATH>, else beside the installed module. On a socket that was
named, a broker is started only with C<< autostart => 1 >>.

=head1 METHODS

=head2 new

    my $bridge = CPANBridge->new(%arguments);

Connects when first needed. May be called on an object, which gives another one of its class. Arguments, all optional:

=over

=item socket

The broker's socket.

=item timeout

How long a call may take, in seconds, fractions allowed; C<$CPANBridge::TIMEOUT> (60) if not given.

=item autostart

Whether a broker may be started if none listens: yes by default, except on a socket that was named.

=item persistent

Whether one connection is kept (yes by default) or each call has its own.

=item retry_count

How often a call is tried again that certainly did not run; C<$CPANBridge::RETRY_COUNT> (3) if not given.

=item debug

True for a line on standard error about each call. It never holds a parameter.

=item max_json_size

Accepted and without meaning: the old client's limit.

=back

Another argument is an error, except in classes that inherit, which have arguments of their own.

=head2 call

    my $result = $bridge->call($method, \%parameters, %options);

One call; returns its result, or dies with a L<CPANBridge::Error>. Options: C<timeout>, in seconds; C<progress>, a code
reference that is called with C<($done, $total, $unit)> as the work goes on, for functions that report it (C<$total> may be
undef).

    my $report = eval { $bridge->call('crypto.decrypt', { cipher_id => $id, hex_ciphertext => $hex }) };
    if (my $error = $@) { ... $error->code ... }

=head2 pipeline

    my @results = $bridge->pipeline([$method, \%parameters], [$method, \%parameters], ...);

Many calls in one write. The results come in the order asked; a failed call's is its L<CPANBridge::Error>. It never dies for
a failed call.

=head2 send_call

    my $ticket = $bridge->send_call($method, \%parameters, %options);

Sends a call and does not wait for its answer. Returns a L<CPANBridge::Ticket>; one that could not be sent is done at once,
with its error. Options as for L</call>.

=head2 wait_for

    my $result = $bridge->wait_for($ticket);

The result of a call that L</send_call> sent, when it is there; dies as L</call> does.

=head2 poll

    my @tickets = $bridge->poll($seconds);

The tickets that got their answers since the last time; waits for the first as long as it is told, 0 for not at all. Tickets
that L</wait_for> waited for are not among them.

=head2 fileno

The number of the socket, for an event loop of the script's own: when it is readable, L</poll> has something to do. Connects if
need be.

=head2 notify

    $bridge->notify($method, \%parameters);

A call without an answer: whether it worked is not told.

=head2 cancel

    $bridge->cancel($ticket);

Gives up a call. One that waits in the broker is answered C<cancelled> and never runs; one that runs may still succeed. The
answer comes to the ticket either way.

=head2 disconnect

Closes the connection. Calls under way fail with the code C<cancelled>. The next call connects anew.

=head1 THE EXISTING INTERFACE

For scripts and classes of the old client. It works as it did.

=head2 call_python

    my $result = $bridge->call_python($module, $function, \%parameters);

Never dies for a failed call; croaks without a module's or a function's name. A failure gives

    { success => 0, error => $text, code => $code, module => $module, function => $function, duration => $seconds }

Success gives the payload at every depth at which scripts look for it: with a payload C<< { cipher_id => 'x' } >>, all of
C<< $result->{cipher_id} >>, C<< $result->{result}{cipher_id} >> and C<< $result->{result}{result}{cipher_id} >> are C<'x'>, and
C<< $result->{success} >> is true unless the payload has a C<success> of its own. A payload that is no hash is
C<< $result->{result} >>.

If no broker can be reached or started and C<$CPANBridge::FALLBACK_ENABLED> is true, a process of its own answers the call
(C<cpan-bridge oneshot>), as always with C<$CPANBridge::DAEMON_MODE> set to 0. Calls that keep or need state, ciphers say, fail
then with an error that says so.

=head2 get_last_error

The text of the last call's error, an empty string after a success.

=head2 get_performance_stats

A hash: for each C<module.function> called with L</call_python>, C<last_duration> in seconds and C<call_count>.

=head2 clear_performance_stats

Begins it anew.

=head2 set_debug

=head2 set_timeout

=head2 set_retry_count

=head2 set_max_json_size

Set what L</new> was given.

=head2 test_python_bridge

Whether a ping is answered.

=head2 check_python_module

    $bridge->check_python_module('crypto')

Whether the broker has a module of that name.

=head2 get_last_python_output

Undef: there is no Python.

=head1 PACKAGE VARIABLES

Read with every call. C<$DAEMON_MODE> (1; C<CPAN_BRIDGE_DAEMON>), C<$FALLBACK_ENABLED> (1; C<CPAN_BRIDGE_FALLBACK>),
C<$DEBUG_LEVEL> (0; C<CPAN_BRIDGE_DEBUG>), C<$TIMEOUT> (60), C<$RETRY_COUNT> (3), C<$DAEMON_SOCKET> (not set), C<$DAEMON_TIMEOUT>
(30; C<CPAN_BRIDGE_DAEMON_TIMEOUT>: how long a broker whose queue is full is waited for), C<$DAEMON_STARTUP_TIMEOUT> (10;
C<CPAN_BRIDGE_STARTUP_TIMEOUT>: how long a broker may take to come up, or to come back).

C<$MAX_JSON_SIZE>, C<$PYTHON_PATH>, C<$PYTHON_BRIDGE_SCRIPT> and C<$DAEMON_SCRIPT> are accepted and without meaning.

=head1 SEE ALSO

L<CPANBridge::Error>, L<CPANBridge::Ticket>, L<CPANBridge::MessagePack>, cpan-bridge(1).

=cut
