package CPANBridge::Locator;

use strict;
use warnings;

use CPANBridge::Connection ();
use CPANBridge::Launcher ();

our $VERSION = '0.100';

# CPANBridge's package variables, which scripts set, are read with every connection.
no warnings 'once';

# How long to wait before trying again to reach a broker that is just starting or just going.
use constant PAUSE => 0.02;

sub new {
    my ($class, %fields) = @_;
    return bless {%fields}, $class;
}

# (connection) or (undef, why not). $patience: how long a broker that is not there, and may not be started, is waited for.
sub connect {    ## no critic (ProhibitBuiltinHomonyms)
    my ($self, $deadline, $patience, $owner) = @_;
    # The same place as last time is the usual case, and that a broker is there.
    if (defined(my $path = $self->usual_path)) {
        my $connection = CPANBridge::Connection->open($path, $CPANBridge::DAEMON_TIMEOUT);
        return $connection if $connection;
    }
    my ($named, @paths) = $self->_paths;
    my $may_start = $self->_may_start($named);
    my $until = CPANBridge::Connection::now() + $patience;
    $until = $deadline if $until > $deadline;
    my $why;
    while (1) {
        (my $connection, $why) = _try($named, @paths);
        return $connection if $connection;
        last if $may_start || CPANBridge::Connection::now() >= $until;
        select undef, undef, undef, PAUSE;
    }
    return (undef, $why . _advice($named)) if !$may_start;
    $owner->_debug("starting a broker on $paths[0]");
    return _start($named, $paths[0]);
}

sub _start {
    my ($named, $path) = @_;
    my $deadline = CPANBridge::Connection::now() + $CPANBridge::DAEMON_STARTUP_TIMEOUT;
    my ($started, $reason) = CPANBridge::Launcher::start($path, $deadline);
    # Somebody else was first: that one is as good, as soon as it listens.
    my $other = $reason =~ /another broker holds/;
    my $why;
    while (1) {
        (my $connection, $why) = _try($named, $path);
        return $connection if $connection;
        last if !($started || $other) || CPANBridge::Connection::now() >= $deadline;
        select undef, undef, undef, PAUSE;
    }
    $reason = $why if !length $reason;
    return (undef, "no broker listens on $path, and none could be started: $reason");
}

# Tries every place once.
sub _try {
    my ($named, @paths) = @_;
    my $why;
    for my $path (@paths) {
        if (!$named && defined(my $distrust = CPANBridge::Launcher::distrust($path))) {
            $why = "the socket $path is not to be trusted: $distrust";
            next;
        }
        my $connection = CPANBridge::Connection->open($path, $CPANBridge::DAEMON_TIMEOUT);
        return $connection if $connection;
        # What is worth telling is why a socket that is there could not be used.
        $why = "can't connect to $path: $!" . ($!{EACCES} ? _let_in($path) : '') if !defined $why || !$!{ENOENT};
    }
    return (undef, $why);
}

# How a user is let in whom the socket's permissions keep out.
sub _let_in {
    my ($path) = @_;
    my ($mode, $gid) = (stat $path)[2, 5];
    return ' (its directory is closed to you)' if !defined $mode;
    my $group = $mode & 060 ? getgrgid $gid : undef;
    return defined $group ? " (it is for group $group: usermod -aG $group, then log in anew)" : ' (it is for its owner alone)';
}

# The path of last time, if it is still the one that is named.
sub usual_path {
    my ($self) = @_;
    my $place = $self->_named;
    return defined $place && defined $self->{place} && $place eq $self->{place} ? $self->{path} : undef;
}

# The socket that somebody named.
sub _named {
    my ($self) = @_;
    for my $given ($self->{socket}, $CPANBridge::DAEMON_SOCKET, $ENV{CPAN_BRIDGE_SOCKET}) {
        return $given if defined $given && length $given;
    }
    return;
}

# Whether the place was named, and the places to try.
sub _paths {
    my ($self) = @_;
    if (defined(my $given = $self->_named)) {
        # Whoever may set the environment or the argument may name the socket; only its form is checked.
        my ($path) = $given =~ m{\A([^\0]+)\z}s;
        @{$self}{qw(place path)} = ($given, $path) if defined $path;
        return (1, defined $path ? $path : ());
    }
    my %seen;
    return (0, map { m{\A([^\0]+)\z}s } grep { !$seen{$_}++ } CPANBridge::Launcher::sockets());
}

sub _may_start {
    my ($self, $named) = @_;
    my $autostart = $self->{autostart};
    return $named ? $autostart : !defined $autostart || $autostart;
}

sub _advice {
    my ($named) = @_;
    return $named
        ? '; start a broker there (cpan-bridge serve --socket PATH), or create the object with autostart => 1'
        : '; start a broker (cpan-bridge serve), or create the object with autostart => 1';
}

1;

__END__

=encoding utf8

=head1 NAME

CPANBridge::Locator - where a broker is, and a connection to it (used by CPANBridge)

=head1 DESCRIPTION

Knows which socket was named, by the object, the package variables and the environment, and where to look if none was;
starts a broker where that is allowed.

=head1 METHODS

=head2 new

    my $locator = CPANBridge::Locator->new(socket => $path, autostart => $whether);

=head2 connect

    my ($connection, $why) = $locator->connect($deadline, $patience, $owner);

A L<CPANBridge::Connection>, or nothing and the reason. A broker that is not there and may not be started is waited for as
many seconds as C<$patience> says.

=head2 usual_path

The path of the last socket that was named, if the same is named still; undef if another is, or none, and L</connect> has to look.

=cut
