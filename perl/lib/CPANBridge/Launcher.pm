package CPANBridge::Launcher;

use strict;
use warnings;

use CPANBridge::Connection ();
use CPANBridge::Lane ();
use CPANBridge::Places ();
use Errno ();
use Socket ();

our $VERSION = '0.100';

# A broker that a script started ends when nobody needed it for so many seconds.
use constant IDLE_EXIT => 900;

# Where a broker of this user's own can be started: (socket, why the usual place is not that), or () if there is no place.
sub own_socket {
    my ($runtime, $why) = CPANBridge::Places::runtime_directory();
    for my $socket (CPANBridge::Places::user_socket(), CPANBridge::Places::socket_in(CPANBridge::Places::usual_directory())) {
        my $taken = CPANBridge::Places::taken($socket);
        return ($socket, $why) if !defined $taken;
        $why ||= $taken;
    }
    my $directory = _private_directory();
    return defined $directory ? (CPANBridge::Places::socket_in($directory), $why) : ();
}

# A directory of this user's own with a name that nobody could guess, made if there is none: by one process at a time, so that those that want one at once end with the same.
sub _private_directory {
    my ($there) = CPANBridge::Places::private_directories();
    return $there if defined $there;
    my $turn = _turn();
    for my $try (1 .. 100) {
        ($there) = CPANBridge::Places::private_directories();
        return $there if defined $there;
        mkdir sprintf('/tmp/cpan-bridge-%d-%s', $>, _random_digits()), 0700;
    }
    return;
}

# Held by one process of this user at a time, until it lets go of it: a name for sockets that is in no file system. Another user can hold
# it as well; then it is done without after a second.
sub _turn {
    local $!;
    my $name = Socket::pack_sockaddr_un("\0cpan-bridge-private-$>");
    socket my $turn, Socket::AF_UNIX(), Socket::SOCK_STREAM(), 0 or return;
    for my $try (1 .. 100) {
        return $turn if bind $turn, $name;
        return if $! != Errno::EADDRINUSE();
        select undef, undef, undef, 0.01;
    }
    return;
}

# The kernel's, and if there are none the ones of Perl: the name need not be a secret, it only has to be free.
sub _random_digits {
    my $bytes = '';
    if (CORE::open my $device, '<', '/dev/urandom') {
        sysread $device, $bytes, 4;
    }
    my $digits = length $bytes == 4 ? unpack 'H8', $bytes : sprintf '%08x', int rand 2**32;
    return $digits =~ /\A([0-9a-f]{8})\z/ ? $1 : '00000000';
}

# The broker's program: where the environment says, in PATH, or beside the installed module.
sub program {
    my $name = 'cpan-bridge';
    if (defined(my $given = $ENV{CPAN_BRIDGE_BIN})) {
        return _untaint($given) if length $given;
    }
    require File::Spec;
    for my $directory (File::Spec->path) {
        # Under taint checks a PATH of relative or foreign places is not followed.
        next if ${^TAINT} && ($directory !~ m{\A/} || _others_can_write($directory));
        my $candidate = "$directory/$name";
        return _untaint($candidate) if -f $candidate && -x _;
    }
    my $lib = CPANBridge::Places::directory(CPANBridge::Places::directory(__FILE__));
    # Beside the module as `make install` leaves it, as a copied tree has it, and in a build of the source.
    for my $place ("$lib/../bin", "$lib/../../bin", "$lib/../../../bin", $lib, "$lib/../../target/release") {
        my $candidate = File::Spec->rel2abs("$place/$name");
        return _untaint($candidate) if -f $candidate && -x _;
    }
    return;
}

# Whether somebody else than this user and root can put a program there: by the directory's mode, or because it is his.
sub _others_can_write {
    my ($directory) = @_;
    my ($mode, $owner) = (stat $directory)[2, 4];
    return !defined $mode || $mode & 022 || $owner != 0 && $owner != $>;
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
    return (0, length $text ? $text : $? >> 8 == 127 ? "$program can't be run" : "$program ended with status " . ($? >> 8));
}

# Lets a program answer one request: bytes to its standard input, and its answer back, of so many bytes at most. Returns (answer) or
# (undef, why), or nothing if its time is over.
sub oneshot {
    my ($request, $deadline, $longest) = @_;
    my $program = program() or return (undef, _no_program());
    socketpair my $ours, my $theirs, Socket::AF_UNIX(), Socket::SOCK_STREAM(), 0 or return (undef, "no socket: $!");
    my $null = _null('>') or return (undef, "/dev/null: $!");
    my $pid = _spawn([$program, 'oneshot'], $theirs, $theirs, $null) or return (undef, "no process: $!");
    close $theirs;
    my $connection = CPANBridge::Lane::connection($ours, $>, $program)->limit_frames($longest);
    my $answer = $connection->send_now($request) ? $connection->receive($deadline) : undef;
    my $failure = $connection->failure || '';
    close $ours;
    local $?;
    kill 'TERM', $pid if !defined $answer;
    waitpid $pid, 0;
    return $answer if defined $answer;
    return if $failure eq 'timeout';
    return (undef, $failure eq 'too_large' ? "the answer of $program is longer than $longest bytes" : "$program ended without an answer");
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
        my $left = $deadline - CPANBridge::Lane::now();
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

CPANBridge::Launcher - finds a broker's program, and starts it (used by CPANBridge)

=head1 DESCRIPTION

No shell is used, nothing is started that was not found as a file, and the script's own standard handles, C<%ENV>, C<$?> and
signal handlers are left alone.

=head1 FUNCTIONS

=head2 own_socket

    my ($socket, $why) = CPANBridge::Launcher::own_socket();

Where this user's own broker can be started, and why that is not the usual place, if it is not. If somebody else has that, a private
directory is found or made.

=head2 program

The path of the program C<cpan-bridge>: C<CPAN_BRIDGE_BIN>, else in C<PATH>, else beside the installed module. Undef if
there is none.

=head2 start

    my ($started, $why) = CPANBridge::Launcher::start($socket, $deadline);

Starts a broker in the background that ends by itself when nobody needed it for 900 seconds.

=head2 oneshot

    my ($answer, $why) = CPANBridge::Launcher::oneshot($frame, $deadline, $longest);

Has one request answered by a process of its own, in that many bytes at most. An empty list if there is no answer at the deadline.

=cut
