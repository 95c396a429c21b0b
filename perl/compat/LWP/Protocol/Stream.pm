package LWP::Protocol::Stream;

# A connection to a server of a plain protocol. No wait is longer than the time limit, and no line longer than is asked for: the server is a stranger.

use strict;
use warnings;

use Errno qw(EAGAIN EINTR EWOULDBLOCK);

our $VERSION = '6.68';

use constant BLOCK => 65_536;

# Seconds, where the script has set none that limits anything.
use constant DEFAULT_TIMEOUT => 180;

# Throws a line that begins as LWP's own does: "Can't connect to HOST:PORT".
sub new {
    my ($class, $host, $port, $timeout) = @_;
    $timeout = DEFAULT_TIMEOUT if !$timeout;
    my ($socket, $reason);
    {
        local ($@, $SIG{__DIE__});
        # Core since Perl 5.20, and the one that knows IPv6.
        my $sockets = eval { require IO::Socket::IP; 1 } ? 'IO::Socket::IP' : do { require IO::Socket::INET; 'IO::Socket::INET' };
        $socket = $sockets->new(PeerHost => $host, PeerAddr => $host, PeerPort => $port, Proto => 'tcp', Timeout => $timeout);
        $reason = $@ || $!;
    }
    if (!$socket) {
        $reason =~ s/\AIO::Socket::\w+: (?:connect: )?//;
        die "Can't connect to $host:$port ($reason)\n";
    }
    $socket->blocking(0);
    return bless { socket => $socket, timeout => $timeout, read => '' }, $class;
}

# Address and port at the other end.
sub peer {
    my ($self) = @_;
    my ($host, $port) = ($self->{socket}->peerhost, $self->{socket}->peerport);
    return defined $host && defined $port ? "$host:$port" : undef;    ## no critic (ProhibitExplicitReturnUndef)
}

sub send_all {
    my ($self, $bytes) = @_;
    local $SIG{PIPE} = 'IGNORE';
    my $done = 0;
    while ($done < length $bytes) {
        my $count = syswrite $self->{socket}, $bytes, BLOCK, $done;
        if (defined $count) { $done += $count }
        elsif ($! == EAGAIN || $! == EWOULDBLOCK) { $self->_wait(1) }
        elsif ($! != EINTR) { die "write failed: $!\n" }
    }
    return;
}

# What is there; nothing at the stream's end.
sub read_some {
    my ($self) = @_;
    return substr $self->{read}, 0, length $self->{read}, '' if length $self->{read};
    return $self->_fill ? $self->read_some : '';
}

# A line without its end. Nothing defined at the stream's end.
sub read_line {
    my ($self, $limit) = @_;
    my $searched = 0;
    while ((my $end = index $self->{read}, "\n", $searched) < 0) {
        $searched = length $self->{read};
        die "the server's line is longer than $limit bytes\n" if $searched > $limit;
        next if $self->_fill;
        return undef if !length $self->{read};    ## no critic (ProhibitExplicitReturnUndef)
        $self->{read} .= "\n";
    }
    my $line = substr $self->{read}, 0, 1 + index($self->{read}, "\n"), '';
    $line =~ s/\r?\n\z//;
    return $line;
}

# False at the stream's end.
sub _fill {
    my ($self) = @_;
    while (1) {
        my $count = sysread $self->{socket}, $self->{read}, BLOCK, length $self->{read};
        return $count if defined $count;
        if ($! == EAGAIN || $! == EWOULDBLOCK) { $self->_wait(0) }
        elsif ($! != EINTR) { die "read failed: $!\n" }
    }
}

sub _wait {
    my ($self, $to_write) = @_;
    my $end = time + $self->{timeout};
    while (1) {
        my $bits = '';
        vec($bits, fileno $self->{socket}, 1) = 1;
        my $ready = select $to_write ? undef : $bits, $to_write ? $bits : undef, undef, $self->{timeout};
        return if $ready > 0;
        die(($to_write ? 'write' : 'read') . " timeout\n") if $ready == 0 || time >= $end;
        die "select failed: $!\n" if $! != EINTR;
    }
}

1;
