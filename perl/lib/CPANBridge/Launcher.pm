package CPANBridge::Launcher;

use strict;
use warnings;

use CPANBridge::Connection ();
use Errno ();
use Socket ();

our $VERSION = '0.100';

# A broker that a script started ends when nobody needed it for so many seconds.
use constant IDLE_EXIT => 900;

# The socket of this user's own broker, where a broker started without a word puts it. Not in the directory that logind makes for those
# who log in: that goes with the last login, and jobs of cron need the broker then.
sub user_socket {
    my ($runtime) = _runtime_directory();
    return defined $runtime && $runtime ne _login_directory() ? _socket_in("$runtime/cpan-bridge") : _socket_in(_usual_directory());
}

sub _usual_directory { return "/tmp/cpan-bridge-$>" }
sub _login_directory { return "/run/user/$>" }
sub _socket_in       { return "$_[0]/broker.sock" }

# The directory that XDG_RUNTIME_DIR names, if that is worth anything (XDG Base Directory Specification): (directory), or (undef, why
# not), or () if none is named. Whoever becomes another user by su or sudo may bring the directory of the one before.
sub _runtime_directory {
    my $given = $ENV{XDG_RUNTIME_DIR};
    return if !defined $given || !length $given;
    local $!;
    my $named = "XDG_RUNTIME_DIR ($given)";
    my ($runtime) = $given =~ m{\A(/[^\0]*?)/*\z}s or return (undef, "$named is no absolute path");
    my ($mode, $owner) = (stat $runtime)[2, 4];
    return (undef, "$named can't be used: $!") if !defined $mode;
    return (undef, "$named is no directory") if !-d _;
    if ($owner != $>) {
        my $name = getpwuid $owner;
        return (undef, "$named belongs to user " . (defined $name ? $name : $owner));
    }
    return (undef, sprintf '%s can be written by others (mode %04o)', $named, $mode & 07777) if $mode & 022;
    return $runtime;
}

# The host's own service, and what it is below: only root can put something there.
use constant SYSTEM_SOCKET => '/run/cpan-bridge/broker.sock';

# Where this user's own broker may be listening that nobody told where, however this script was started: a login has the variable, jobs
# of cron have not, and units of the user's listen in the login's directory.
sub usual_sockets {
    my ($runtime) = _runtime_directory();
    my %seen;
    return map { _socket_in($_) } grep { !$seen{$_}++ } (defined $runtime ? "$runtime/cpan-bridge" : ()),
        _login_directory() . '/cpan-bridge', _usual_directory();
}

# In directories that were made because somebody else had taken the usual one. The same ones for all processes of this user, in the
# same order.
sub private_sockets {
    return map { "$_/broker.sock" } _private_directories();
}

sub system_socket { return SYSTEM_SOCKET }

# All places where a broker may be listening for this user, in the order of the protocol.
sub sockets {
    return (usual_sockets(), private_sockets(), system_socket());
}

# Why a socket that nobody named is not to be trusted; undef if it is. Anybody may create a directory in /tmp: only one
# that is ours, or root's, can hold the broker that gets our keys.
sub distrust {
    my ($socket) = @_;
    my $taken = taken($socket);
    return defined $taken ? $taken : is_there($socket) ? undef : _directory($socket) . ' is not there';
}

sub is_there {
    my ($socket) = @_;
    return -d _directory($socket);
}

# Why a socket's directory can't be this user's own; undef if it is, or if it can still be made.
sub taken {
    my ($socket) = @_;
    my $directory = _directory($socket);
    my (undef, undef, $mode, undef, $owner) = lstat $directory or return $! == Errno::ENOENT ? undef : "$directory: $!";
    return "$directory is no directory of its own: remove it" if !-d _ || -l _;
    return if $socket eq SYSTEM_SOCKET && defined system_owner();
    if ($owner != $> && $owner != 0) {
        my $name = getpwuid $owner;
        return "$directory belongs to user " . (defined $name ? "$name (number $owner)" : $owner)
            . ': have it removed, by that user or by root, or set XDG_RUNTIME_DIR to a directory of your own';
    }
    return sprintf '%s can be written by others (mode %04o): make it yours alone (chmod 700 %s)', $directory, $mode & 07777, $directory
        if $mode & 022;
    return;
}

# Whose the host's own service is: whoever owns its directory, if that is where only root can put it. Undef if there is none.
sub system_owner {
    my $directory = _directory(SYSTEM_SOCKET);
    my ($mode, $owner) = (lstat _directory($directory))[2, 4];
    return if !defined $mode || $owner != 0 || $mode & 022;
    ($mode, $owner) = (lstat $directory)[2, 4];
    return defined $mode && -d _ ? $owner : undef;
}

# A path's directory. Not by File::Basename: few scripts need more of that, and it takes a tenth of the time that all of us takes to load.
sub _directory {
    my ($path) = @_;
    my ($directory) = $path =~ m{\A(.*)/+[^/]*\z}s;
    return !defined $directory ? '.' : length $directory ? $directory : '/';
}

# Where a broker of this user's own can be started: (socket, why the usual place is not that), or () if there is no place.
sub own_socket {
    my ($runtime, $why) = _runtime_directory();
    for my $socket (user_socket(), _socket_in(_usual_directory())) {
        my $taken = taken($socket);
        return ($socket, $why) if !defined $taken;
        $why ||= $taken;
    }
    my $directory = _private_directory();
    return defined $directory ? ("$directory/broker.sock", $why) : ();
}

# Directories of this user's own with a name that nobody could guess before they were there. No other user can make one that is
# taken for it, nor, as /tmp is sticky, move one away.
sub _private_directories {
    opendir my $tmp, '/tmp' or return;
    my @names = sort grep { /\Acpan-bridge-$>-[0-9a-f]{8}\z/ } readdir $tmp;
    return grep { _is_private($_) } map { m{\A(.*)\z} ? "/tmp/$1" : () } @names;
}

sub _is_private {
    my ($directory) = @_;
    my ($mode, $owner) = (lstat $directory)[2, 4];
    return defined $mode && -d _ && $owner == $> && !($mode & 022);
}

# One of them, made if there is none: by one process at a time, so that those that want one at once end with the same.
sub _private_directory {
    my ($there) = _private_directories();
    return $there if defined $there;
    my $turn = _turn();
    for my $try (1 .. 100) {
        ($there) = _private_directories();
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
    my $lib = _directory(_directory(__FILE__));
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
    return (0, length $text ? $text : "$program ended with status " . ($? >> 8));
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
    my $connection = CPANBridge::Connection->adopt($ours, $program)->limit_frames($longest);
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

Where this user's own broker is started: C</tmp/cpan-bridge-UID/broker.sock>, or C<$XDG_RUNTIME_DIR/cpan-bridge/broker.sock> if that
is a directory of this user's other than F</run/user/UID>, which goes with the last login.

=head2 sockets

All places where a broker may listen for this user, in the order in which they are tried: those of the next three.

=head2 usual_sockets

Where this user's own broker may listen: below C<XDG_RUNTIME_DIR> if that is this user's, F</run/user/UID> and F</tmp>. However a script
is started, at a login, by cron, C<su> or a unit, they hold the same broker.

=head2 private_sockets

Those in directories F</tmp/cpan-bridge-UID-XXXXXXXX> of this user, which are made where the usual one is somebody else's.

=head2 system_socket

That of the host's own service.

=head2 system_owner

The number of the user who owns the directory of that; undef if there is none, or not where only root can put it.

=head2 own_socket

    my ($socket, $why) = CPANBridge::Launcher::own_socket();

Where this user's own broker can be started, and why that is not the usual place, if it is not. If somebody else has that, a private
directory is found or made.

=head2 distrust

    my $why = CPANBridge::Launcher::distrust($socket);

Why a socket's directory is not one to trust; undef if it is. One that is not there is none.

=head2 taken

    my $why = CPANBridge::Launcher::taken($socket);

The same, but undef as well for a directory that is not there and can be made.

=head2 is_there

Whether a socket's directory is there.

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
