package CPANBridge;

use strict;
use warnings;

use CPANBridge::Lane ();
use CPANBridge::Parts ();

our $VERSION = '0.100';

# What a usual call needs is loaded: this, CPANBridge::Lane and what that uses. The rest is loaded when something unusual happens.
CPANBridge::Parts::hold();

# What scripts of the old client set. Read at call time; whoever set them before loading us is heard.
our ($DAEMON_MODE, $FALLBACK_ENABLED, $DEBUG_LEVEL, $TIMEOUT, $RETRY_COUNT, $MAX_JSON_SIZE, $ANSWER_MEMORY);
our ($DAEMON_SOCKET, $DAEMON_TIMEOUT, $DAEMON_STARTUP_TIMEOUT);
our ($PYTHON_PATH, $PYTHON_BRIDGE_SCRIPT, $DAEMON_SCRIPT);

$DAEMON_MODE            //= _from_environment(DAEMON          => 1);
$FALLBACK_ENABLED       //= _from_environment(FALLBACK        => 1);
$DEBUG_LEVEL            //= _from_environment(DEBUG           => 0);
$DAEMON_TIMEOUT         //= _from_environment(DAEMON_TIMEOUT  => 30);
$DAEMON_STARTUP_TIMEOUT //= _from_environment(STARTUP_TIMEOUT => 10);
$ANSWER_MEMORY          //= _from_environment(ANSWER_MEMORY   => 256 << 20);
# Where a broker is expected, for scripts that look at it. As long as nobody sets another it names nothing.
our $EXPECTED_SOCKET = $ENV{CPAN_BRIDGE_SOCKET};
$EXPECTED_SOCKET = CPANBridge::Lane::user_socket() if !defined $EXPECTED_SOCKET || !length $EXPECTED_SOCKET;
$DAEMON_SOCKET //= $EXPECTED_SOCKET;
$TIMEOUT       //= 60;
$RETRY_COUNT   //= 3;
$MAX_JSON_SIZE //= 10_000_000;

# Everything of ours in an object, under one key: the rest of the hash belongs to classes that inherit, except for what
# the old client kept there in the open.
sub KEY () { '_cpanbridge' }

my %ARGUMENT = map { $_ => 1 } qw(socket timeout autostart persistent retry_count debug max_json_size broker_user answer_memory);

sub new {
    my ($class, %args) = @_;
    $class = ref $class if ref $class;
    # Classes that inherit have arguments of their own.
    if ($class eq __PACKAGE__ && (my @unknown = grep { !$ARGUMENT{$_} } sort keys %args)) {
        _croak("unknown argument to CPANBridge->new: @unknown (known are " . join(', ', sort keys %ARGUMENT) . ')');
    }
    for my $name (qw(timeout retry_count answer_memory max_json_size)) {
        _croak("argument $name of CPANBridge->new is a number, not '$args{$name}'") if defined $args{$name} && $args{$name} !~ /\A\s*[-+]?(?:\.?[0-9]|inf)/i;
    }
    my $session = CPANBridge::Lane::session(%args);
    # A value that is still the one it was made with was not chosen, so the package variable counts.
    @{$session}{qw(timeout retry_count)} = (defined $args{timeout} ? undef : $TIMEOUT, defined $args{retry_count} ? undef : $RETRY_COUNT);
    return bless {
        debug             => $args{debug}         // $DEBUG_LEVEL,
        timeout           => $args{timeout}       // $TIMEOUT,
        retry_count       => $args{retry_count}   // $RETRY_COUNT,
        max_json_size     => $args{max_json_size} // $MAX_JSON_SIZE,
        last_error        => '',
        performance_stats => {},
        KEY, $session,
    }, $class;
}

# The croak that names the script's line, which the package with the names of ours sees to.
sub _croak {
    CPANBridge::Parts::need('Error');
    require Carp;
    goto &Carp::croak;
}

# `$@` is kept by hand everywhere, not by `local`: before Perl 5.14 the end of a `local $@` undoes what `die` has set meanwhile, so that a
# handler of the script's that dies during a call, for `alarm` say, would be lost.

sub call {
    CPANBridge::Parts::need() if $DEBUG_LEVEL || $_[0]{debug};
    my ($error, $result) = $DEBUG_LEVEL || $_[0]{debug} ? &_call_reported : &CPANBridge::Lane::call;
    die $error if $error;
    return $result;
}

sub DESTROY {
    my ($self) = @_;
    # Closing must not be seen by whoever is unwinding or exiting.
    local ($@, $!, $?);
    delete $self->{ +KEY };
    return;
}

sub disconnect {
    my ($self) = @_;
    # As long as there were usual calls only, there is nothing beside the connection.
    return &_disconnect if $INC{'CPANBridge/Session.pm'};
    my $session = $self->{ +KEY } or return;
    my $connection = $session->{connection};
    # A signal's handler ends the call that it has come into.
    shutdown $connection->{handle}, 2 if $session->{user} && $connection;
    delete @{$session}{qw(lane connection)};
    return;
}

sub get_last_error        { return $_[0]->{last_error} }

sub _from_environment {
    my ($name, $default) = @_;
    my $value = $ENV{"CPAN_BRIDGE_$name"};
    return defined $value && $value =~ /\A([0-9]+(?:\.[0-9]+)?)\z/ ? $1 + 0 : $default;
}

# All other methods are done in CPANBridge::Methods, and those of the existing interface in CPANBridge::Existing, under names of their own: what
# stands here stays, for classes that inherit, and for whoever wraps a method or keeps a reference to it.
for (
    ['', qw(pipeline send_call wait_for poll notify cancel fileno available is_connected)],
    [
        Existing => qw(
            call_python get_performance_stats get_last_python_output clear_performance_stats set_debug set_max_json_size set_timeout
            set_retry_count test_python_bridge check_python_module
        )
    ],
) {
    my ($part, @names) = @$_;
    no strict 'refs';
    for my $name (@names) {
        my $done;
        *$name = sub { $done ||= _done($part, $name); goto &$done };
    }
}

sub _done {
    my ($part, $name) = @_;
    CPANBridge::Parts::need($part || ());
    return CPANBridge->can("_do_$name");
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
