package TestBroker;

# A broker of a test's own, on a socket of its own; ended with the object.

use strict;
use warnings;

use Cwd ();
use File::Basename ();
use File::Spec ();
use File::Temp ();
use Socket ();
use Time::HiRes ();

# Nothing of the caller's environment is to reach the broker or the client.
BEGIN {
    my $binary = $ENV{CPAN_BRIDGE_BIN};
    delete @ENV{grep { /\ACPAN_BRIDGE_/ } keys %ENV};
    delete $ENV{XDG_RUNTIME_DIR};
    my $top = Cwd::abs_path(File::Basename::dirname(__FILE__) . '/../../..');
    my $built = defined $ENV{CARGO_TARGET_DIR} ? File::Spec->rel2abs($ENV{CARGO_TARGET_DIR}, $top) : "$top/target";
    die "CPAN_BRIDGE_BIN=$binary: there is no such program\n" if defined $binary && !-x $binary && -e "$top/Cargo.toml";
    ($binary) = grep { defined && -x } $binary, "$built/debug/cpan-bridge", "$built/release/cpan-bridge";
    # The client's own distribution is tested with the program that is installed, and may come to a host before it.
    if (!defined $binary && !-e "$top/Cargo.toml") {
        ($binary) = grep { -x } map { "$_/cpan-bridge" } File::Spec->path;
        if (!defined $binary) {
            print "1..0 # SKIP there is no cpan-bridge in PATH, nor named by CPAN_BRIDGE_BIN\n";
            exit 0;
        }
    }
    $ENV{CPAN_BRIDGE_BIN} = File::Spec->rel2abs($binary) if defined $binary;
}

sub binary {
    return $ENV{CPAN_BRIDGE_BIN} || die "no cpan-bridge binary: run make build, or set CPAN_BRIDGE_BIN\n";
}

# For a child that PERL5LIB does not reach, under -T or because it is taken away: where the modules of a perl are that is not where it
# was built for (tests/perls/run.sh).
sub own_modules { return join ' ', map { "-I$_" } split /:/, defined $ENV{PERL_OWN_MODULES} ? $ENV{PERL_OWN_MODULES} : '' }

sub top { return Cwd::abs_path(File::Basename::dirname(__FILE__) . '/../../..') }

# How long to wait for what has to come.
use constant PATIENCE => 20;

sub start {
    my ($class, @flags) = @_;
    my $directory = File::Temp::tempdir(CLEANUP => 1);
    my $self = bless { directory => $directory, socket => "$directory/broker.sock", owner => $$, flags => \@flags }, $class;
    $self->run;
    return $self;
}

# Starts the broker, again after it was stopped. Returns when it listens.
sub run {
    my ($self) = @_;
    pipe my $ready, my $tell or die "pipe: $!";
    my $pid = fork;
    die "fork: $!" if !defined $pid;
    if (!$pid) {
        open STDOUT, '>&', $tell or die;
        open STDIN, '<', '/dev/null' or die;
        exec binary(), 'serve', '--socket', $self->{socket}, '--ready-fd', 1, '--log-file', "$self->{directory}/log",
            (grep { $_ eq '--log-level' } @{ $self->{flags} }) ? () : ('--log-level', 'debug'), @{ $self->{flags} };
        die "exec: $!";
    }
    close $tell;
    local $/ = "\n";
    my $line = readline $ready;
    die 'the broker did not start' if !defined $line || $line ne "ready\n";
    $self->{pid} = $pid;
    return;
}

sub socket_path { return $_[0]->{socket} }
sub pid         { return $_[0]->{pid} }

sub log_text {
    my ($self) = @_;
    open my $log, '<', "$self->{directory}/log" or return '';
    local $/;
    return readline $log;
}

sub stop {
    my ($self, $signal) = @_;
    return if !$self->{pid};
    kill $signal || 'TERM', $self->{pid};
    waitpid delete $self->{pid}, 0;
    return $?;
}

# A thread's copy is not to end it.
sub CLONE_SKIP { return 1 }

sub DESTROY {
    my ($self) = @_;
    return if $self->{owner} != $$;
    local ($?, $!, $@);
    $self->stop('KILL');
    return;
}

# Waits until something is so.
sub eventually {
    my ($check) = @_;
    my $deadline = Time::HiRes::time() + PATIENCE;
    until ($check->()) {
        return 0 if Time::HiRes::time() > $deadline;
        Time::HiRes::sleep(0.01);
    }
    return 1;
}

# A process's state in one letter, as ps has it; nothing of one that is gone.
sub state_of {
    my ($pid) = @_;
    open my $stat, '<', "/proc/$pid/stat" or return '';
    my ($state) = (readline($stat) || '') =~ /\)\s+(\S)/;
    return defined $state ? $state : '';
}

# A socket that a test itself answers on, for brokers that behave badly. $serve gets each connection, in a child process.
sub fake {
    my ($class, $serve) = @_;
    my $directory = File::Temp::tempdir(CLEANUP => 1);
    my $path = "$directory/fake.sock";
    socket my $listener, Socket::PF_UNIX(), Socket::SOCK_STREAM(), 0 or die;
    bind $listener, Socket::pack_sockaddr_un($path) or die;
    listen $listener, 10 or die;
    my $pid = fork;
    die if !defined $pid;
    if (!$pid) {
        my $number = 0;
        while (accept my $connection, $listener) {
            $serve->($connection, ++$number, $listener);
            close $connection;
        }
        require POSIX;
        POSIX::_exit(0);
    }
    return bless { directory => $directory, socket => $path, owner => $$, pid => $pid }, $class;
}

# For fakes: reads one frame.
sub read_frame {
    my ($connection) = @_;
    (read($connection, my $head, 4) || 0) == 4 or return;
    read($connection, my $body, unpack 'N', $head);
    return $body;
}

1;
