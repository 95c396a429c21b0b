package HostileBroker;

# A broker that answers what a test wants, over as many connections as come; and scripts that run in processes of their own, so that their
# memory, their warnings and whether they end can be told.

use strict;
use warnings;

use CPANBridge::MessagePack ();
use Fcntl qw(O_APPEND O_WRONLY);
use POSIX ();
use TestBroker;

# What it was sent is kept in a file.
sub start {
    my ($class, $answer) = @_;
    my $log = File::Temp->new;
    my $fake = TestBroker->fake(sub {
        my ($connection) = @_;
        local $SIG{CHLD} = 'IGNORE';
        my $pid = fork;
        die if !defined $pid;
        return if $pid;
        local $SIG{PIPE} = 'IGNORE';
        while (defined(my $body = TestBroker::read_frame($connection))) {
            # Not made anew: with the test gone, so is its file.
            sysopen my $out, $log->filename, O_WRONLY | O_APPEND or last;
            syswrite $out, $body;
            close $out;
            my ($msgid) = $body =~ /\A\x95\x00\xce(....)/s or next;
            my ($method) = map { $_->[2] } CPANBridge::MessagePack->unpack($body);
            # A script's first calls go well, so that it takes the short way with the next.
            my $bytes = $method eq 'test.ping' ? frame("\x94\x01\xce$msgid\xc0\x80") : $answer->($msgid, $method, $connection);
            last if !defined $bytes;
            say_all($connection, $bytes) or last;
        }
        POSIX::_exit(0);
    });
    return bless { fake => $fake, log => $log }, $class;
}

sub socket_path { return $_[0]->{fake}->socket_path }

sub received {
    my ($self) = @_;
    open my $in, '<', $self->{log}->filename or return '';
    binmode $in;
    local $/;
    my $bytes = readline $in;
    return defined $bytes ? $bytes : '';
}

sub frame { return pack 'N/a*', $_[0] }

sub say_all {
    my ($connection, $bytes) = @_;
    while (length $bytes) {
        my $count = syswrite $connection, $bytes or return 0;
        substr $bytes, 0, $count, '';
    }
    return 1;
}

# Runs a script's work in a process of its own. What it returns, its warnings, and how much its memory grew at most; undef if it does not
# end or dies.
sub outcome_of {
    my ($work) = @_;
    pipe my $read, my $write or die;
    my $pid = fork;
    die if !defined $pid;
    if (!$pid) {
        close $read;
        my @warnings;
        local $SIG{__WARN__} = sub { push @warnings, $_[0] };
        my $before = most_memory();
        my @lines = eval { $work->() };
        my $died = $@;
        my $said = CPANBridge::MessagePack->pack([\@lines, \@warnings, most_memory() - $before, "$died"]);
        say_all($write, $said);
        POSIX::_exit(0);
    }
    close $write;
    my ($said, $is_over) = ('', 0);
    my $deadline = time + 3 * TestBroker::PATIENCE();
    while (!$is_over && (my $left = $deadline - time) > 0) {
        my $readable = '';
        vec($readable, fileno $read, 1) = 1;
        next if select($readable, undef, undef, $left) < 1;
        $is_over = !sysread $read, $said, 65_536, length $said;
    }
    kill 'KILL', $pid if !$is_over;
    waitpid $pid, 0;
    return if !$is_over || !length $said;
    my ($lines, $warnings, $memory, $died) = @{ CPANBridge::MessagePack->unpack($said) };
    return { lines => $lines, warnings => $warnings, memory => $memory, died => $died };
}

sub most_memory {
    open my $status, '<', '/proc/self/status' or return 0;
    local $/;
    return readline($status) =~ /^VmHWM:\s+(\d+)/m ? 1024 * $1 : 0;
}

my %CODE = map { $_ => 1 } qw(protocol unknown_module unknown_function invalid_params not_found denied too_large overloaded timeout
    cancelled unavailable failed internal connect lost);

# What is wrong with an error object; nothing if nothing is.
sub flaw {
    my ($error) = @_;
    return 'no error object: ' . (defined $error ? $error : 'undef') if !CPANBridge::Error::is_one($error);
    my ($code, $message, $data) = ($error->code, $error->message, $error->data);
    return 'no good code' if !defined $code || ref $code || !$CODE{$code};
    return 'no good message' if !defined $message || ref $message || $message =~ /[\x00-\x1f\x7f-\x9f]/ || !length $message || length $message > 2500;
    return 'no good data' if defined $data && ref $data ne 'HASH';
    return 'no place' if !defined $error->file || !defined $error->line;
    return 'not one line' if $error->as_string !~ /\A[^\n]+\n\z/;
    return;
}

1;
