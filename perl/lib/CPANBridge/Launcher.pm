package CPANBridge::Launcher;

use strict;
use warnings;

use CPANBridge::Connection ();
use File::Basename ();
use File::Spec     ();
use Socket         ();

our $VERSION = '0.100';

# A broker that a script started ends when nobody needed it for so many seconds.
use constant IDLE_EXIT => 900;

# The socket of this user's own broker, where a broker started without a word puts it.
sub user_socket {
    my $runtime = $ENV{XDG_RUNTIME_DIR};
    return "$runtime/cpan-bridge/broker.sock" if defined $runtime && $runtime =~ m{\A/};
    return "/tmp/cpan-bridge-$>/broker.sock";
}

# All places where a broker may be listening for this user, in the order of the protocol.
sub sockets {
    return (user_socket(), "/tmp/cpan-bridge-$>/broker.sock", '/run/cpan-bridge/broker.sock');
}

# Why a socket that nobody named is not to be trusted; undef if it is. Anybody may create a directory in /tmp: only one
# that is ours, or root's, can hold the broker that gets our keys.
sub distrust {
    my ($socket) = @_;
    my $directory = File::Basename::dirname($socket);
    my (undef, undef, $mode, undef, $owner) = lstat $directory or return;
    return "$directory is no directory of its own" if !-d _ || -l _;
    return if $directory eq '/run/cpan-bridge';
    return "$directory belongs to user $owner" if $owner != $> && $owner != 0;
    return sprintf '%s can be written by others (mode %04o)', $directory, $mode & 07777 if $mode & 022;
    return;
}

# The broker's program: where the environment says, in PATH, or beside the installed module.
sub program {
    my $name = 'cpan-bridge';
    if (defined(my $given = $ENV{CPAN_BRIDGE_BIN})) {
        return _untaint($given) if length $given;
    }
    for my $directory (File::Spec->path) {
        # Under taint checks a PATH of relative or foreign places is not followed.
        next if ${^TAINT} && ($directory !~ m{\A/} || _others_can_write($directory));
        my $candidate = "$directory/$name";
        return _untaint($candidate) if -f $candidate && -x _;
    }
    my $lib = File::Basename::dirname(File::Basename::dirname(__FILE__));
    # Beside the module as `make install` leaves it, as a copied tree has it, and in a build of the source.
    for my $place ("$lib/../bin", "$lib/../../bin", "$lib/../../../bin", $lib, "$lib/../../target/release") {
        my $candidate = File::Spec->rel2abs("$place/$name");
        return _untaint($candidate) if -f $candidate && -x _;
    }
    return;
}

sub _others_can_write {
    my ($directory) = @_;
    my $mode = (stat $directory)[2];
    return !defined $mode || $mode & 022;
}

sub _untaint {
    my ($path) = @_;
    return $path =~ m{\A([^\0]+)\z} ? $1 : undef;
}

# Starts a broker in the background. Returns when it listens, or undef and what it said why not. That another broker
# came first is no failure worth telling: the caller connects to whichever there is.
sub start {
    my ($socket, $deadline) = @_;
    my $program = program() or return (0, _no_program());
    pipe my $heard, my $told or return (0, "no pipe: $!");
    my @command = ($program, 'serve', '--daemonize', '--idle-exit', IDLE_EXIT, '--socket', $socket);
    my $null_in  = _null('<') or return (0, "/dev/null: $!");
    my $null_out = _null('>') or return (0, "/dev/null: $!");
    my $pid = _spawn(\@command, $null_in, $null_out, $told) or return (0, "no process: $!");
    close $told;
    # Standard error is let go of when the broker listens or ends, so its end is the sign to wait for.
    my $text = _read_all($heard, $deadline);
    local $?;
    if (!defined $text) {
        return (0, "$program did not come up in time");
    }
    my $reaped = waitpid $pid, 0;
    # Somebody else's SIGCHLD handler may have been faster; then whether it worked shows when connecting.
    return (1, '') if $reaped != $pid || $? == 0;
    $text =~ s/\s+\z//;
    return (0, length $text ? $text : "$program ended with status " . ($? >> 8));
}

# Lets a program answer one request: bytes to its standard input, and its answer back. Returns (answer) or (undef, why).
sub oneshot {
    my ($request, $deadline) = @_;
    my $program = program() or return (undef, _no_program());
    socketpair my $ours, my $theirs, Socket::AF_UNIX(), Socket::SOCK_STREAM(), 0 or return (undef, "no socket: $!");
    my $null = _null('>') or return (undef, "/dev/null: $!");
    my $pid = _spawn([$program, 'oneshot'], $theirs, $theirs, $null) or return (undef, "no process: $!");
    close $theirs;
    my $connection = CPANBridge::Connection->adopt($ours, $program);
    my $answer = $connection->send_now($request) ? $connection->receive($deadline) : undef;
    my $failure = $connection->failure || '';
    close $ours;
    local $?;
    kill 'TERM', $pid if !defined $answer;
    waitpid $pid, 0;
    return $answer if defined $answer;
    return (undef, $failure eq 'timeout' ? "$program did not answer in time" : "$program ended without an answer");
}

sub _no_program {
    return 'the program cpan-bridge was not found: set CPAN_BRIDGE_BIN, or put it in PATH';
}

sub _null {
    my ($direction) = @_;
    CORE::open my $null, $direction, '/dev/null' or return;
    return $null;
}

# Starts a program with these three handles as its standard ones. No shell.
sub _spawn {
    my ($command, @handles) = @_;
    # Before the fork, so that the child loads nothing.
    require POSIX;
    my $pid = fork;
    return if !defined $pid;
    return $pid if $pid;
    # The child does not return, whatever happens, and runs nothing of the script's.
    local $SIG{__DIE__}  = 'DEFAULT';
    local $SIG{__WARN__} = sub { };
    eval {
        # A script that closed its standard handles gets their numbers for its next ones: out of the way with those first.
        my @high = map { my $fd = fileno $_; $fd = POSIX::dup($fd) // die while $fd < 3; $fd } @handles;
        for my $number (0 .. 2) {
            POSIX::dup2($high[$number], $number) // die;
        }
        POSIX::close($_) for grep { my $fd = $_; !grep { $fd == fileno $_ } @handles } @high;
        if (${^TAINT}) {
            delete @ENV{qw(IFS CDPATH ENV BASH_ENV)};
            $ENV{PATH} = '/usr/bin:/bin';    ## no critic (RequireLocalizedPunctuationVars)
        }
        no warnings 'exec';
        exec { $command->[0] } @$command;
    };
    POSIX::_exit(127);
}

sub _read_all {
    my ($handle, $deadline) = @_;
    my $text = '';
    while (1) {
        my $left = $deadline - CPANBridge::Connection::now();
        return if $left <= 0;
        my $readable = '';
        vec($readable, fileno $handle, 1) = 1;
        my $ready = select $readable, undef, undef, $left;
        next if !defined $ready || $ready <= 0;
        my $count = sysread $handle, $text, 4096, length $text;
        return $text if defined $count && $count == 0;
    }
}

1;

__END__

=encoding utf8

=head1 NAME

CPANBridge::Launcher - finds a broker's socket and program, and starts it (used by CPANBridge)

=head1 DESCRIPTION

No shell is used, nothing is started that was not found as a file, and the script's own standard handles, C<%ENV>, C<$?> and
signal handlers are left alone.

=head1 FUNCTIONS

=head2 user_socket

The socket of this user's own broker: C<$XDG_RUNTIME_DIR/cpan-bridge/broker.sock>, else
C</tmp/cpan-bridge-UID/broker.sock>.

=head2 sockets

All places where a broker may listen for this user, in the order in which they are tried.

=head2 distrust

    my $why = CPANBridge::Launcher::distrust($socket);

Why a socket's directory is not one to trust; undef if it is.

=head2 program

The path of the program C<cpan-bridge>: C<CPAN_BRIDGE_BIN>, else in C<PATH>, else beside the installed module. Undef if
there is none.

=head2 start

    my ($started, $why) = CPANBridge::Launcher::start($socket, $deadline);

Starts a broker in the background that ends by itself when nobody needed it for 900 seconds.

=head2 oneshot

    my ($answer, $why) = CPANBridge::Launcher::oneshot($frame, $deadline);

Has one request answered by a process of its own.

=cut
