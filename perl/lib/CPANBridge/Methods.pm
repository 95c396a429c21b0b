package CPANBridge;

use strict;
use warnings;
# It may have been broken off.
no warnings 'redefine';

use Carp ();
use CPANBridge ();
use CPANBridge::Envelope ();
use CPANBridge::Error ();
use CPANBridge::Lane ();
use CPANBridge::Launcher ();
use CPANBridge::MessagePack ();
use CPANBridge::Session ();

our ($DEBUG_LEVEL, $TIMEOUT, $RETRY_COUNT, $ANSWER_MEMORY, $DAEMON_STARTUP_TIMEOUT);

# The lane's answers are of one read: even such as unfold to a hundred times their length stay below half of this.
sub LEAST_ANSWER_MEMORY () { 16 << 20 }

# All that uses the connection goes through the session: see there for `user`, `enter` and `leave`.

my %NO_OPTIONS;

sub _call_reported {
    my ($self, $method) = @_;
    my $begin = CPANBridge::Lane::now();
    my ($error, $result) = &CPANBridge::Lane::call;
    $self->_report($method, $error, $begin);
    return ($error, $result);
}

# A method's name and its options are the script's own words: what is wrong with them is told at once, and nothing has begun that would
# have to be ended.
sub _check_name {
    my ($method) = @_;
    Carp::croak('a method is named module.function') if !defined $method || ref $method || !length $method;
    return;
}

sub _check_ticket {
    my ($method, $ticket) = @_;
    Carp::croak("$method takes what send_call gave") if !UNIVERSAL::isa($ticket, 'CPANBridge::Ticket');
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
    my $session = $self->{ +KEY };
    my $since = delete $session->{since};
    _check_name($method);
    my $options = _checked_options($method, @options);
    return $self->_sibling->_call_with($method, $params, @options) if $session->{user};
    my ($error, $result) = $self->_within(sub {
        $session->{since} = $since if !@options;
        return $self->_call($method, $params, $options);
    });
    $self->{last_error} = $error ? $error->message : '';
    return ($error, $result);
}

sub _do_pipeline {
    my ($self, @calls) = @_;
    for my $call (@calls) {
        # Most have no options; one look at these is enough.
        next if ref $call eq 'ARRAY' && @$call <= 2 && $call->[0] && !ref $call->[0];
        Carp::croak('a call of a pipeline is a list: [module.function, \%parameters, %options]') if ref $call ne 'ARRAY';
        _check_name($call->[0]) if !$call->[0] || ref $call->[0];
        _checked_options($call->[0], @$call[2 .. $#$call]) if @$call > 2;
    }
    return $self->_sibling->pipeline(@calls) if $self->{ +KEY }{user};
    my $begin = CPANBridge::Lane::now();
    my @results = $self->_within(sub { $_[0]->pipeline(\@calls) });
    if ($self->{debug} || $DEBUG_LEVEL) {
        $self->_report($calls[$_][0], CPANBridge::Error::is_one($results[$_]) && $results[$_], $begin) for 0 .. $#calls;
    }
    return @results;
}

sub _do_send_call {
    my ($self, $method, $params, @options) = @_;
    _check_name($method);
    my $options = _checked_options($method, @options);
    Carp::croak('send_call within another call of the same object') if $self->{ +KEY }{user};
    my ($ticket) = $self->_within(sub {
        my ($session) = @_;
        my $limit = $self->_time_limit($options);
        my $deadline = CPANBridge::Lane::now() + $limit;
        my ($error, $body) = CPANBridge::Envelope::encode($method, $params, $options, $limit, ($session->long_here || {})->{$method});
        my $made = $session->new_ticket($method, \$body, $limit, $deadline, $options->{progress});
        $error ||= $session->send_all([$made], [$body], $deadline);
        return $error ? $made->settle($error) : $made;
    });
    return $ticket;
}

sub _do_wait_for {
    my ($self, $ticket) = @_;
    my $is_inside = $self->{ +KEY }{user};
    _check_ticket(wait_for => $ticket);
    Carp::croak('wait_for within another call of the same object') if $is_inside && !$ticket->is_done;
    Carp::croak('wait_for a ticket of another object') if !$ticket->is_done && ($ticket->{session} || 0) != ($self->{ +KEY }{serial} || -1);
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

sub _do_poll {
    my ($self, $seconds) = @_;
    return if $self->{ +KEY }{user};
    my @done = $self->_within(sub { $_[0]->poll(CPANBridge::Lane::now() + ($seconds || 0)) });
    $self->_report_tickets(@done);
    return @done;
}

sub _do_notify {
    my ($self, $method, $params, @more) = @_;
    _check_name($method);
    Carp::croak("$method: notify takes no options") if @more;
    return $self->_sibling->notify($method, $params) if $self->{ +KEY }{user};
    my $begin = CPANBridge::Lane::now();
    my ($error) = $self->_within(sub { $_[0]->send_message([2, $method, $params || {}], $method) });
    $self->_report($method, $error, $begin);
    die $error if $error;
    return;
}

sub _do_cancel {
    my ($self, $ticket) = @_;
    _check_ticket(cancel => $ticket);
    return if $self->{ +KEY }{user} || ($ticket->{session} || 0) != ($self->{ +KEY }{serial} || -1);
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

sub _do_fileno {    ## no critic (ProhibitBuiltinHomonyms)
    my ($self) = @_;
    my $session = $self->{ +KEY };
    # Within a call of the same object the connection is that call's.
    if ($session->{user}) {
        Carp::croak('fileno within another call of the same object, which has no connection yet') if !$session->is_connected;
        return CORE::fileno $session->{connection}->handle;
    }
    my ($connection, $error) = $self->_within(sub {
        my $until = CPANBridge::Lane::now() + $self->_timeout;
        $session->send_refused(CPANBridge::Lane::now());
        return $session->connect($until, 0);
    });
    die $error if $error;
    return CORE::fileno $connection->handle;
}

sub _do_available {
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

sub _disconnect {
    my ($self) = @_;
    my $session = $self->{ +KEY } or return;
    my $eval_error = $@;
    local $!;
    $session->disconnect;
    $@ = $eval_error;
    return;
}

sub _do_is_connected {
    my ($self) = @_;
    my $session = $self->{ +KEY };
    return $session && $session->is_connected ? 1 : 0;
}

sub _report {
    my ($self, $method, $error, $begin) = @_;
    return if !$self->{debug} && !$DEBUG_LEVEL;
    $self->_debug(sprintf '%s %s in %.4f s', $method, $error ? 'failed (' . $error->code . ')' : 'done', CPANBridge::Lane::now() - $begin);
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
    my $left = $deadline - CPANBridge::Lane::now();
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
        CPANBridge::Parts::need('File');
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
    my ($answer, $why) = CPANBridge::Launcher::oneshot(CPANBridge::Envelope::frame(CPANBridge::Wire::FIRST_MSGID, $body),
        CPANBridge::Lane::now() + $timeout, $memory / 4);
    return defined $why ? CPANBridge::Envelope::error('connect', $method, $why) : CPANBridge::Envelope::too_late($method, $timeout)
        if !defined $answer;
    return CPANBridge::Envelope::result_of($answer, $method, $memory, $timeout);
}

1;

__END__

=encoding utf8

=head1 NAME

CPANBridge::Methods - the methods of CPANBridge that a usual call does not need

=head1 DESCRIPTION

Loaded when one of them is first used. They are described in L<CPANBridge>.

=cut
