package CPANBridge;

use strict;
use warnings;

use Carp ();
use CPANBridge::Connection ();
use CPANBridge::Envelope ();
use CPANBridge::Launcher ();
use CPANBridge::MessagePack ();
use CPANBridge::Session ();

our $VERSION = '0.100';

# What scripts of the old client set. Read at call time; whoever set them before loading us is heard.
our ($DAEMON_MODE, $FALLBACK_ENABLED, $DEBUG_LEVEL, $TIMEOUT, $RETRY_COUNT, $MAX_JSON_SIZE, $ANSWER_MEMORY);
our ($DAEMON_SOCKET, $DAEMON_TIMEOUT, $DAEMON_STARTUP_TIMEOUT);
our ($PYTHON_PATH, $PYTHON_BRIDGE_SCRIPT, $DAEMON_SCRIPT);

$DAEMON_MODE            = _from_environment('CPAN_BRIDGE_DAEMON',          1)  if !defined $DAEMON_MODE;
$FALLBACK_ENABLED       = _from_environment('CPAN_BRIDGE_FALLBACK',        1)  if !defined $FALLBACK_ENABLED;
$DEBUG_LEVEL            = _from_environment('CPAN_BRIDGE_DEBUG',           0)  if !defined $DEBUG_LEVEL;
$DAEMON_TIMEOUT         = _from_environment('CPAN_BRIDGE_DAEMON_TIMEOUT',  30) if !defined $DAEMON_TIMEOUT;
$DAEMON_STARTUP_TIMEOUT = _from_environment('CPAN_BRIDGE_STARTUP_TIMEOUT', 10) if !defined $DAEMON_STARTUP_TIMEOUT;
$ANSWER_MEMORY          = _from_environment('CPAN_BRIDGE_ANSWER_MEMORY',   256 << 20) if !defined $ANSWER_MEMORY;
# Where a broker is expected, for scripts that look at it. As long as nobody sets another it names nothing.
our $EXPECTED_SOCKET = $ENV{CPAN_BRIDGE_SOCKET};
$EXPECTED_SOCKET = CPANBridge::Launcher::user_socket() if !defined $EXPECTED_SOCKET || !length $EXPECTED_SOCKET;
$DAEMON_SOCKET   = $EXPECTED_SOCKET if !defined $DAEMON_SOCKET;
$TIMEOUT       = 60         if !defined $TIMEOUT;
$RETRY_COUNT   = 3          if !defined $RETRY_COUNT;
$MAX_JSON_SIZE = 10_000_000 if !defined $MAX_JSON_SIZE;

# Everything of ours in an object, under one key: the rest of the hash belongs to classes that inherit, except for what
# the old client kept there in the open.
use constant KEY => '_cpanbridge';

# The lane's answers are of one read: even such as unfold to a hundred times their length stay below half of this.
use constant LEAST_ANSWER_MEMORY => 16 << 20;

my %NO_OPTIONS;
use constant { SEND_FLAGS => CPANBridge::Connection::SEND_FLAGS, READ_SIZE => CPANBridge::Connection::READ_SIZE };

my %ARGUMENT = map { $_ => 1 } qw(socket timeout autostart persistent retry_count debug max_json_size broker_user answer_memory);

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
    $self->{ +KEY } = CPANBridge::Session->new(
        socket     => $args{socket},
        autostart  => $args{autostart},
        persistent => defined $args{persistent} ? $args{persistent} : 1,
        broker_user => $args{broker_user},
        answer_memory => $args{answer_memory},
    );
    # A value that is still the one it was made with was not chosen, so the package variable counts.
    @{ $self->{ +KEY } }{qw(timeout retry_count)}
        = (defined $args{timeout} ? undef : $TIMEOUT, defined $args{retry_count} ? undef : $RETRY_COUNT);
    return $self;
}

# --- Calls

# All that uses the connection goes through the session: see there for `user`, `enter` and `leave`.

# `$@` is kept by hand everywhere, not by `local`: before Perl 5.14 the end of a `local $@` undoes what `die` has set meanwhile, so that a
# handler of the script's that dies during a call, for `alarm` say, would be lost.

sub call {
    my ($error, $result) = $DEBUG_LEVEL || $_[0]{debug} ? &_call_reported : &_call_here;
    die $error if $error;
    return $result;
}

sub _call_reported {
    my ($self, $method) = @_;
    my $begin = CPANBridge::Connection::now();
    my ($error, $result) = &_call_here;
    $self->_report($method, $error, $begin);
    return ($error, $result);
}

# (error) or (undef, result) of a call: the usual one in one function, because a call of a Perl function takes as long as ten simple statements: a call without options,
# over a connection of its own or one on which nothing else is under way (see the lane in CPANBridge::Session), answered in one piece.
# What is not so is left to `_call_with`, which this has to agree with.
sub _call_here {
    my ($self, $method, $params) = @_;
    my $session = $self->{ +KEY };
    my $lane = $session->{lane};
    return &_call_with if !$lane || @_ > 3 || $session->{user} || $session->{entered} || !defined $method
        || defined $params && ref $params ne 'HASH';
    # As `_timeout`.
    my $timeout = $self->{timeout};
    $timeout = $TIMEOUT if !defined $timeout || defined $session->{timeout} && $timeout == $session->{timeout};
    my $name = $lane->[CPANBridge::Session::LANE_NAMES]{$method};
    return &_call_with
        if $lane->[CPANBridge::Session::LANE_PROCESS] != $$ + $CPANBridge::Connection::THREAD || $lane->[CPANBridge::Session::LANE_TIMEOUT] != $timeout || !defined $name;
    my $bytes = $params && %$params ? _packed($params) : "\x80";
    return &_call_with if !defined $bytes || $session->{msgid} >= CPANBridge::Session::LAST_MSGID;

    local $!;
    local $session->{user} = $self;
    $session->{entered} = 1;
    my $deadline = $CPANBridge::Connection::CLOCK[0]->($CPANBridge::Connection::CLOCK[1]) + $timeout;
    my $msgid = pack 'N', $session->{msgid}++;
    my $request = pack('N', length($name) + length($bytes) + $lane->[CPANBridge::Session::LANE_LENGTH])
        . "\x95\x00\xce$msgid$name$bytes$lane->[CPANBridge::Session::LANE_OPTIONS]";
    my ($handle, $answer, $sent, $count) = $lane->[CPANBridge::Session::LANE_HANDLE];
    if ($handle || ($handle = $session->dial)) {
        $sent = send $handle, $request, SEND_FLAGS;
        $count = sysread $handle, $answer, READ_SIZE if defined $sent && $sent == length $request;
    }
    if (($count || 0) > 12 && substr($answer, 4, 8) eq "\x94\x01\xce$msgid\xc0" && unpack('N', $answer) == $count - 4) {
        # Many results are one byte: nothing, yes, no, a small number.
        my $simple = $count == 13 && $CPANBridge::MessagePack::SIMPLE[ord(substr $answer, 12)];
        my ($result, $end) = $simple ? ($simple->(), 13) : _unpacked($answer);
        if ($end == $count) {
            $session->{entered} = 0;
            $self->{last_error} = '';
            return (undef, $result);
        }
    }

    my $eval_error = $@;
    my ($error, $result) = $session->after_lane($method, $request, $handle, $sent, $count, $answer, $timeout, $deadline);
    ($error, $result) = $self->_call_instead($method, $params, \%NO_OPTIONS, $error, $deadline) if $error && $error->code eq 'denied';
    $self->{last_error} = $error ? $error->message : '';
    $session->{entered} = 0;
    $@ = $eval_error;
    return ($error, $result);
}

# Bytes of parameters, or undef for such as can't be sent.
sub _packed {
    my ($params) = @_;
    my $eval_error = $@;
    my $bytes = eval { CPANBridge::MessagePack->pack($params) };
    CPANBridge::Envelope::complaint() if !defined $bytes;
    $@ = $eval_error;
    return $bytes;
}

# The result in an answer's frame, and where it ends: at 0 if there is none.
sub _unpacked {
    my $eval_error = $@;
    my ($result, $end) = eval { CPANBridge::MessagePack->unpack_at($_[0], 12) };
    CPANBridge::Envelope::complaint() if !defined $end;
    $@ = $eval_error;
    return ($result, $end || 0);
}

# A method's name and its options are the script's own words: what is wrong with them is told at once, and nothing has begun that would
# have to be ended.
sub _check_name {
    my ($method) = @_;
    Carp::croak('a method is named module.function') if !defined $method || ref $method || !length $method;
    return;
}

my %OPTION = map { $_ => 1 } qw(progress timeout);

sub _checked_options {
    my ($method, @options) = @_;
    return \%NO_OPTIONS if !@options;
    # What nearly all of them are.
    return { timeout => $options[1] }
        if @options == 2 && defined $options[0] && $options[0] eq 'timeout' && defined $options[1] && $options[1] =~ /\A[0-9]+(?:\.[0-9]+)?\z/;
    Carp::croak("$method: options of a call are NAME => VALUE") if @options % 2;
    my %options = @options;
    if (my @unknown = grep { !$OPTION{$_} } sort keys %options) {
        Carp::croak("$method: unknown option of a call: @unknown (known are " . join(', ', sort keys %OPTION) . ')');
    }
    my ($timeout, $progress) = @options{qw(timeout progress)};
    Carp::croak("$method: timeout is a number of seconds, not '$timeout'")
        if defined $timeout && $timeout !~ /\A\s*[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[-+]?[0-9]+)?\s*\z/i;
    Carp::croak("$method: progress is a reference to a function") if defined $progress && !ref $progress;
    return \%options;
}

# Does work that uses the connection.
sub _within {
    my ($self, $work) = @_;
    my $session = $self->{ +KEY };
    my $eval_error = $@;
    local $!;
    local $session->{user} = $self;
    $session->enter;
    my @results = $work->($session);
    $session->leave;
    $@ = $eval_error;
    return @results;
}

sub _call_with {
    my ($self, $method, $params, @options) = @_;
    _check_name($method);
    my $options = _checked_options($method, @options);
    my $session = $self->{ +KEY };
    return $self->_sibling->_call_with($method, $params, @options) if $session->{user};
    my ($error, $result) = $self->_within(sub { $self->_call($method, $params, $options) });
    $self->{last_error} = $error ? $error->message : '';
    return ($error, $result);
}

sub pipeline {
    my ($self, @calls) = @_;
    for my $call (@calls) {
        # Most have no options; one look at these is enough.
        next if ref $call eq 'ARRAY' && @$call <= 2 && $call->[0] && !ref $call->[0];
        Carp::croak('a call of a pipeline is a list: [module.function, \%parameters, %options]') if ref $call ne 'ARRAY';
        _check_name($call->[0]) if !$call->[0] || ref $call->[0];
        _checked_options($call->[0], @$call[2 .. $#$call]) if @$call > 2;
    }
    return $self->_sibling->pipeline(@calls) if $self->{ +KEY }{user};
    my $begin = CPANBridge::Connection::now();
    my @results = $self->_within(sub { map { $_->{error} || $_->{value} } $_[0]->pipeline(\@calls) });
    if ($self->{debug} || $DEBUG_LEVEL) {
        $self->_report($calls[$_][0], CPANBridge::Error::is_one($results[$_]) && $results[$_], $begin) for 0 .. $#calls;
    }
    return @results;
}

sub send_call {
    my ($self, $method, $params, @options) = @_;
    _check_name($method);
    my $options = _checked_options($method, @options);
    Carp::croak('send_call within another call of the same object') if $self->{ +KEY }{user};
    my ($ticket) = $self->_within(sub {
        my ($session) = @_;
        my $limit = $self->_time_limit($options);
        my $deadline = CPANBridge::Connection::now() + $limit;
        my ($error, $body) = CPANBridge::Envelope::encode($method, $params, $options, $limit, ($session->long_here || {})->{$method});
        my $made = $session->new_ticket($method, \$body, $limit, $deadline, $options->{progress});
        $error ||= $session->send_all([$made], [$body], $deadline);
        return $error ? $made->settle($error) : $made;
    });
    return $ticket;
}

sub wait_for {
    my ($self, $ticket) = @_;
    my $is_inside = $self->{ +KEY }{user};
    Carp::croak('wait_for within another call of the same object') if $is_inside && !$ticket->is_done;
    if (!$is_inside) {
        $self->_within(sub {
            my ($session) = @_;
            $session->await($ticket);
            $session->forget($ticket);
            return;
        });
        $self->_report_tickets($ticket);
    }
    return $ticket->result;
}

sub poll {
    my ($self, $seconds) = @_;
    return if $self->{ +KEY }{user};
    my @done = $self->_within(sub { $_[0]->poll(CPANBridge::Connection::now() + ($seconds || 0)) });
    $self->_report_tickets(@done);
    return @done;
}

sub notify {
    my ($self, $method, $params, @more) = @_;
    _check_name($method);
    Carp::croak("$method: notify takes no options") if @more;
    return $self->_sibling->notify($method, $params) if $self->{ +KEY }{user};
    my $begin = CPANBridge::Connection::now();
    my ($error) = $self->_within(sub { $_[0]->send_message([2, $method, $params || {}], $method) });
    $self->_report($method, $error, $begin);
    die $error if $error;
    return;
}

sub cancel {
    my ($self, $ticket) = @_;
    return if $self->{ +KEY }{user};
    # What can't be told any more is as good as given up.
    # It is a key of a hash elsewhere, which leaves a string's mark on numbers of older versions of Perl.
    $self->_within(sub {
        my ($session) = @_;
        return if $session->cancel_refused($ticket);
        # Nor is it sent to another broker, should this one refuse it.
        delete $ticket->{body};
        $session->send_message([2, 'rpc.cancel', [0 + $ticket->{msgid}]], 'rpc.cancel') if $session->is_connected && !$ticket->is_done;
        return;
    });
    return;
}

sub fileno {    ## no critic (ProhibitBuiltinHomonyms)
    my ($self) = @_;
    my $session = $self->{ +KEY };
    # Within a call of the same object the connection is that call's.
    if ($session->{user}) {
        Carp::croak('fileno within another call of the same object, which has no connection yet') if !$session->is_connected;
        return CORE::fileno $session->{connection}->handle;
    }
    my ($connection, $error) = $self->_within(sub {
        my $until = CPANBridge::Connection::now() + $self->_timeout;
        $session->send_refused($until, 1);
        return $session->connect($until, 0);
    });
    die $error if $error;
    return CORE::fileno $connection->handle;
}

sub available {
    my ($self) = @_;
    return $self->{ +KEY }{user} ? $self->_sibling : $self;
}

# The same settings, a connection of its own that does not stay.
sub _sibling {
    my ($self) = @_;
    my $locator = $self->{ +KEY }{locator};
    return __PACKAGE__->new(
        (map { $_ => $locator->{$_} } qw(socket autostart broker_user)),
        (map { $_ => $self->{$_} } qw(debug timeout retry_count)),
        answer_memory => $self->{ +KEY }{answer_memory},
        persistent => 0,
    );
}

sub is_connected {
    my ($self) = @_;
    my $session = $self->{ +KEY };
    return $session && $session->is_connected ? 1 : 0;
}

sub disconnect {
    my ($self) = @_;
    my $session = $self->{ +KEY } or return;
    my $eval_error = $@;
    local $!;
    $session->disconnect;
    $@ = $eval_error;
    return;
}

sub DESTROY {
    my ($self) = @_;
    # Closing must not be seen by whoever is unwinding or exiting.
    local ($@, $!, $?);
    eval { CPANBridge::Handle::free_all_of($self) } if $INC{'CPANBridge/Handle.pm'};
    delete $self->{ +KEY };
    return;
}

# --- The existing interface

sub call_python {
    my ($self, $module, $function, $params) = @_;
    Carp::croak('Module name required')   if !defined $module   || !length $module;
    Carp::croak('Function name required') if !defined $function || !length $function;
    my $session = $self->{ +KEY };
    return $self->_sibling->call_python($module, $function, $params) if $session && $session->{user};
    my $eval_error = $@;
    local $!;
    my $begin = CPANBridge::Connection::now();
    my $method = "$module.$function";
    $self->_remark_on_size($method, $params) if $self->{debug} || $DEBUG_LEVEL;
    # At the program's end objects are taken apart in any order, and destructors still make calls.
    my $is_ending = defined ${^GLOBAL_PHASE} && ${^GLOBAL_PHASE} eq 'DESTRUCT';
    my ($error, $result) = $is_ending ? eval { $self->_call_anyhow($session, $method, $params) }
        : $self->_call_anyhow($session, $method, $params);
    $error = CPANBridge::Envelope::error('lost', $method, 'the program ends, and what the call needs is gone') if $is_ending && $@;
    my $duration = CPANBridge::Connection::now() - $begin;
    my $stats = $self->{performance_stats}{$method} ||= { call_count => 0 };
    $stats->{last_duration} = $duration;
    $stats->{call_count}++;
    $self->{last_error} = $error ? $error->message : '';
    $self->_report($method, $error, $begin);
    $@ = $eval_error;
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

# The old client refused what was larger; now it is only worth a word to who debugs.
sub _remark_on_size {
    my ($self, $method, $params) = @_;
    my $limit = defined $self->{max_json_size} ? $self->{max_json_size} : $MAX_JSON_SIZE;
    my $size = eval { length CPANBridge::MessagePack->pack($params) } || 0;
    $self->_debug("$method is given $size bytes, more than max_json_size ($limit)") if $size > $limit;
    return;
}

sub _call_anyhow {
    my ($self, $session, $method, $params) = @_;
    return CPANBridge::Envelope::error('lost', $method, 'the object is destroyed already') if !$session;
    return $self->_oneshot($method, $params) if !$DAEMON_MODE;
    my ($error, $result) = $self->_call_here($method, $params);
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

sub _report {
    my ($self, $method, $error, $begin) = @_;
    return if !$self->{debug} && !$DEBUG_LEVEL;
    $self->_debug(sprintf '%s %s in %.4f s', $method, $error ? 'failed (' . $error->code . ')' : 'done', CPANBridge::Connection::now() - $begin);
    return;
}

# Of calls that were sent before, whoever is given them: once.
sub _report_tickets {
    my ($self, @tickets) = @_;
    return if !$self->{debug} && !$DEBUG_LEVEL;
    for my $ticket (grep { $_->is_done && !$_->{reported}++ } @tickets) {
        $self->_report($ticket->method, $ticket->error, $ticket->{deadline} - $ticket->{limit});
    }
    return;
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
    my ($default, $own) = ($self->{ +KEY }{timeout}, $self->{timeout});
    return !defined $own || defined $default && $own == $default ? $TIMEOUT : $own;
}

sub _retry_count {
    my ($self) = @_;
    my ($default, $own) = ($self->{ +KEY }{retry_count}, $self->{retry_count});
    return !defined $own || defined $default && $own == $default ? $RETRY_COUNT : $own;
}

sub _answer_memory {
    my ($self) = @_;
    my $memory = $self->{ +KEY }{answer_memory};
    $memory = $ANSWER_MEMORY if !defined $memory;
    return $memory < LEAST_ANSWER_MEMORY ? LEAST_ANSWER_MEMORY : $memory;
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

# --- One call, with a broker or without

# (error) or (undef, result).
sub _call {
    my ($self, $method, $params, $options) = @_;
    my $session = $self->{ +KEY };
    my ($error, $result) = $session->call($method, $params, $options);
    return ($error, $result) if !$error || $error->code ne 'denied';
    return $self->_call_instead($method, $params, $options, $error, $session->{deadline});
}

# Parameters that name a file which the script may read, and what its content is sent as if the broker may not open it. Which file that is
# depends on nothing that a broker says.
my %CONTENT = (
    'crypto.new'              => { key_file => 'key_file_content' },
    'http_helper.session_new' => { ca_file  => 'ca' },
    'http.session_new'        => { ca_file  => 'ca' },
);

# What was denied because it is a file's may be done without the broker opening the file, in what is left of the call's time.
sub _call_instead {
    my ($self, $method, $params, $given, $error, $deadline) = @_;
    return $error if ref $params ne 'HASH';
    my $left = $deadline - CPANBridge::Connection::now();
    my $options = { %$given, timeout => $left > 0.001 ? $left : 0.001 };
    return $self->_call_with_content($method, $params, $options, $error) if $CONTENT{$method} && _wishes_content($error);
    require CPANBridge::HTTP::Transfer;
    my $instead = CPANBridge::HTTP::Transfer::instead_of($method) or return $error;
    return $error if !defined $params->{path};
    require CPANBridge::HTTP::Answer;
    # Calls within a call go over a connection of their own; and what is answered there is looked at.
    return $instead->(CPANBridge::HTTP::Answer->wary($self->_sibling), $params, $options);
}

sub _wishes_content {
    my ($error) = @_;
    my $data = $error->data or return 0;
    return defined $data->{send_content_as} || defined $data->{parameter} && $data->{parameter} eq 'ca_file';
}

# The broker may not open the file for us; we may read it ourselves and send what is in it.
sub _call_with_content {
    my ($self, $method, $params, $options, $denied) = @_;
    my %changed = %$params;
    my $has_read;
    for my $name (sort keys %{ $CONTENT{$method} }) {
        my $instead = $CONTENT{$method}{$name};
        next if !defined $params->{$name} || exists $params->{$instead};
        my $path = delete $changed{$name};
        require CPANBridge::File;
        my ($content, $why) = CPANBridge::File::content($path);
        return CPANBridge::Envelope::error('failed', $method, _unreadable($name) . ": $path: $why") if !defined $content;
        $changed{$instead} = $content;
        $has_read = 1;
    }
    return $denied if !$has_read;
    return $self->{ +KEY }->call($method, \%changed, $options);
}

# In the words that the broker has for it.
sub _unreadable {
    my ($name) = @_;
    return $name eq 'key_file' ? 'Failed to read key from file' : "Failed to read $name";
}

# A process of its own for one call.
sub _oneshot {
    my ($self, $method, $params) = @_;
    my $timeout = $self->_timeout;
    my ($error, $body) = CPANBridge::Envelope::encode($method, $params, {}, $timeout);
    return $error if $error;
    my $memory = $self->_answer_memory;
    my ($answer, $why) = CPANBridge::Launcher::oneshot(CPANBridge::Envelope::frame(CPANBridge::Envelope::FIRST_MSGID, $body),
        CPANBridge::Connection::now() + $timeout, $memory / 4);
    return defined $why ? CPANBridge::Envelope::error('connect', $method, $why) : CPANBridge::Envelope::too_late($method, $timeout)
        if !defined $answer;
    return CPANBridge::Envelope::result_of($answer, $method, $memory, $timeout);
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
file and C<CPANBridge/> to a host is a valid installation. What can be called is listed by C<cpan-bridge describe>.

No method uses C<alarm>; none can raise C<SIGPIPE>; signals interrupt no call, their handlers run and the call goes on. C<$@>,
C<$!>, C<$_>, C<$/>, C<$\>, C<$,>, C<$?> and C<%SIG> are left as they are. After a C<fork> the child opens a connection of its own,
and so does each thread: an object may be used in threads that are made after it. What a broker sends makes no method do anything but
give a result or an error within the call's time: it opens no file but one that the script itself named as C<key_file> or C<ca_file>.

A connection that the broker closed while it was idle is opened anew, without a word. A request is sent a second time only if
the broker can't have taken it whole; one that it may have run is never repeated, but fails with the code C<lost>.

=head2 Which broker

The socket is the argument C<socket>, else C<$CPANBridge::DAEMON_SOCKET>, else C<CPAN_BRIDGE_SOCKET>. If none of these is
set, the places where a broker of this user listens by default are tried, and then the system-wide service:
C<$XDG_RUNTIME_DIR/cpan-bridge/broker.sock>, C</run/user/UID/cpan-bridge/broker.sock>, C</tmp/cpan-bridge-UID/broker.sock>,
C</run/cpan-bridge/broker.sock>. In these places a socket is only tried if its directory is there, is this user's or root's, and nobody
else can write to it. So a script finds the same broker from a login, from cron, after C<su> and as a service.

Wherever the socket is, the kernel is asked who listens before anything is sent. It has to be this user or root, or one who was named by
C<broker_user> or C<CPAN_BRIDGE_USER>; on C</run/cpan-bridge/broker.sock> also the owner of that directory. Otherwise the call fails
with the code C<connect>, and the message says who it is.

If somebody else has taken C</tmp/cpan-bridge-UID>, a directory C</tmp/cpan-bridge-UID-XXXXXXXX> takes its place, with eight random
digits: the same one for all processes of the user.

If nobody listens there, a broker is started in the background, on the socket below F</tmp> (or below C<XDG_RUNTIME_DIR> if that is not
the login's F</run/user/UID>, which goes with the last login); it ends when it was not needed for 15 minutes. Its program is
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

Whether a broker may be started if none listens: what C<CPAN_BRIDGE_AUTOSTART> (0 or 1) says if not given, else yes, except on a socket
that was named.

=item persistent

Whether one connection is kept (yes by default) or each call has its own.

=item retry_count

How often a call is tried again that certainly did not run; C<$CPANBridge::RETRY_COUNT> (3) if not given.

=item debug

True for a line on standard error about each call, however it is made: its name, whether it worked, and how long it took. It never
holds a parameter.

=item broker_user

The user, by name or number, or several with commas between, whose broker is accepted on the socket beside this user's own and root's;
C<CPAN_BRIDGE_USER> names more.

=item answer_memory

How many bytes of memory the answers may take that one method waits for, C<$CPANBridge::ANSWER_MEMORY> (256 MiB) if not given; less than
16 MiB counts as that. A message may have a quarter of it, and what Perl makes of it half. What would take more fails with the code
C<too_large>.

=item max_json_size

The old client's limit. Accepted; larger parameters are sent all the same, with a word at C<debug>.

=back

Another argument is an error, except in classes that inherit, which have arguments of their own.

=head2 call

    my $result = $bridge->call($method, \%parameters, %options);

One call; returns its result, or dies with a L<CPANBridge::Error>. Options: C<timeout>, in seconds; C<progress>, a code
reference that is called with C<($done, $total, $unit)> as the work goes on, for functions that report it (C<$total> may be
undef). Another option is an error, as for L</pipeline> and L</send_call>.

    my $report = eval { $bridge->call('crypto.decrypt', { cipher_id => $id, hex_ciphertext => $hex }) };
    if (my $error = $@) { ... $error->code ... }

=head2 pipeline

    my @results = $bridge->pipeline([$method, \%parameters, %options], [$method, \%parameters], ...);

Many calls in one write. Options as for L</call>. The results come in the order asked; a failed call's is its L<CPANBridge::Error>. It never dies for
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
need be. Ask again after each L</poll>: where a broker went and another came it is another socket.

=head2 notify

    $bridge->notify($method, \%parameters);

A call without an answer: whether it worked is not told.

=head2 cancel

    $bridge->cancel($ticket);

Gives up a call. One that waits in the broker is answered C<cancelled> and never runs; one that runs may still succeed. The
answer comes to the ticket either way.

=head2 available

    my $ticket = $bridge->available->send_call($method, \%parameters);

The object itself; or, within one of its calls (in a signal handler, or a call's C<progress>), another one with the same
settings and a connection of its own. L</call>, L</pipeline> and L</notify> see to that themselves, L</send_call> and
L</wait_for> can't: the ticket is the object's.

=head2 is_connected

Whether there is a connection, as far as is known: that the broker has closed it shows only when it is used.

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
C<$DEBUG_LEVEL> (0; C<CPAN_BRIDGE_DEBUG>), C<$TIMEOUT> (60), C<$RETRY_COUNT> (3), C<$DAEMON_SOCKET> (where a broker is
started; another value names a socket), C<$DAEMON_TIMEOUT>
(30; C<CPAN_BRIDGE_DAEMON_TIMEOUT>: how long a broker whose queue is full is waited for), C<$DAEMON_STARTUP_TIMEOUT> (10;
C<CPAN_BRIDGE_STARTUP_TIMEOUT>: how long a broker may take to come up, or to come back).

C<$ANSWER_MEMORY> (268,435,456; C<CPAN_BRIDGE_ANSWER_MEMORY>) is the default of C<answer_memory>.
C<$MAX_JSON_SIZE> is the default of C<max_json_size>. C<$PYTHON_PATH>, C<$PYTHON_BRIDGE_SCRIPT> and C<$DAEMON_SCRIPT> are
accepted and without meaning.

=head1 SEE ALSO

L<CPANBridge::Error>, L<CPANBridge::Ticket>, L<CPANBridge::MessagePack>, cpan-bridge(1).

=cut
