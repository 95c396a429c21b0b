package CPANBridge::Locator;

use strict;
use warnings;

use CPANBridge::Connection ();
use CPANBridge::Lane ();
use CPANBridge::Launcher ();
use CPANBridge::Places ();
use Errno qw(EACCES ECONNREFUSED ENOENT);

our $VERSION = '0.100';

# CPANBridge's package variables, which scripts set, are read with every connection.
no warnings 'once';

# How long to wait before trying again to reach a broker that is just starting or just going.
sub PAUSE () { 0.02 }

# (connection) or (undef, why not). $patience: how long a broker that is not there, and may not be started, is waited for.
sub connect {    ## no critic (ProhibitBuiltinHomonyms)
    my ($self, $deadline, $patience, $owner) = @_;
    # The same place as last time is the usual case, and that a broker is there.
    if (defined(my $path = $self->usual_path)) {
        my ($connection) = CPANBridge::Connection->open($path, $deadline - CPANBridge::Lane::now(), $self);
        return $connection if $connection;
    }
    my ($named, $path) = $self->named_path;
    my $may_start = $self->_may_start($named);
    my $until = CPANBridge::Lane::now() + $patience;
    $until = $deadline if $until > $deadline;
    my ($why, $is_absent, $is_free);
    while (1) {
        (my $connection, $why, $is_absent, $is_free) = $self->_try($deadline, $named, $path);
        return $connection if $connection;
        last if $may_start || CPANBridge::Lane::now() >= $until;
        select undef, undef, undef, PAUSE;
    }
    return (undef, $why . _advice($named, $path, $is_absent || $is_free)) if !$may_start;
    my $connection;
    # A place may be taken by somebody else between the look at it and the start there.
    for my $try ($named ? 1 : (1 .. 3)) {
        if (!$named) {
            my ($own, $taken) = CPANBridge::Launcher::own_socket();
            ($path) = defined $own ? $own =~ m{\A([^\0]+)\z}s : ();
            return (undef, $why) if !defined $path;
            $owner->_debug("$taken; $path is used instead") if defined $taken;
        }
        $owner->_debug("starting a broker on $path");
        ($connection, $why) = $self->_start($named, $path);
        last if $connection || $named || !defined CPANBridge::Places::taken($path);
    }
    return ($connection, $why);
}

sub _start {
    my ($self, $named, $path) = @_;
    my $deadline = CPANBridge::Lane::now() + $CPANBridge::DAEMON_STARTUP_TIMEOUT;
    my ($started, $reason) = CPANBridge::Launcher::start($path, $deadline);
    # Somebody else was first: that one is as good, as soon as it listens.
    my $other = $reason =~ /another broker holds/;
    my $why;
    while (1) {
        (my $connection, $why) = $self->_try_one($deadline, $named, $path);
        return $connection if $connection;
        last if !($started || $other) || CPANBridge::Lane::now() >= $deadline;
        select undef, undef, undef, PAUSE;
    }
    $reason = $why if !length $reason;
    return (undef, "no broker listens on $path, and none could be started: $reason");
}

# Whether the place was named, and what it is then.
sub named_path {
    my ($self) = @_;
    my $given = CPANBridge::Lane::named($self);
    return 0 if !defined $given;
    # Whoever may set the environment or the argument may name the socket; only its form is checked.
    my ($path) = $given =~ m{\A([^\0]+)\z}s;
    @{$self}{qw(place path)} = ($given, $path) if defined $path;
    return (1, defined $path ? $path : '');
}

# The path of last time, if it is still the one that is named.
sub usual_path {
    my ($self) = @_;
    my $place = CPANBridge::Lane::named($self);
    return defined $place && defined $self->{place} && $place eq $self->{place} ? $self->{path} : undef;
}

# Tries every place once.
sub _try {
    my ($self, $deadline, $named, $path) = @_;
    return $self->_try_one($deadline, 1, $path) if $named;
    my ($first, $telling);
    # Looked for one after the other: reading a directory takes longer than a connection.
    for my $places (\&CPANBridge::Places::usual_sockets, \&CPANBridge::Places::private_sockets, \&CPANBridge::Places::system_socket) {
        my %seen;
        for my $place (grep { !$seen{$_}++ } $places->()) {
            my ($connection, $why, $is_absent) = $self->_try_one($deadline, 0, $place =~ m{\A([^\0]+)\z}s);
            return $connection if $connection;
            # What is worth telling is why a socket that is there could not be used.
            $is_absent ? ($first ||= $why) : ($telling ||= $why);
        }
    }
    return (undef, $telling || $first);
}

# (connection), or (undef, why not, whether nothing is there, whether a broker that starts there puts its own in the place of what is).
sub _try_one {
    my ($self, $deadline, $named, $path) = @_;
    if (!$named) {
        my $taken = CPANBridge::Places::taken($path);
        return (undef, "the socket $path is not to be trusted: $taken") if defined $taken;
        # Where there is no directory now, anybody may make one in the next moment.
        return (undef, "can't connect to $path: " . do { local $! = ENOENT; "$!" }, 1) if !CPANBridge::Places::is_there($path);
    }
    my ($connection, $stranger) = CPANBridge::Connection->open($path, $deadline - CPANBridge::Lane::now(), $self);
    return $connection if $connection;
    return (undef, $self->_refusal($path, $stranger)) if defined $stranger;
    my $is_other = do { local $!; -e $path && !-S _ };
    return (undef, "can't connect to $path: it is no socket") if $is_other;
    return (undef, "can't connect to $path: $!" . ($! == EACCES ? _let_in($path) : ''), $! == ENOENT, $! == ECONNREFUSED);
}

sub _refusal {
    my ($self, $path, $stranger) = @_;
    return "the kernel does not tell who listens on $path: nothing was sent there" if $stranger < 0;
    my $name = getpwuid $stranger;
    my $user = defined $name ? $name : $stranger;
    my @unknown = map { $_->[0] } grep { !defined $_->[1] } CPANBridge::Places::named_users($self);
    return "the one who listens on $path is user $user" . (defined $name ? " (number $stranger)" : '')
        . ", neither this user nor root: nothing was sent there. If that broker is the one meant, name its user"
        . " (broker_user => '$user', or CPAN_BRIDGE_USER=$user)"
        . (@unknown ? "; there is no user @unknown here" : '');
}

# How a user is let in whom the socket's permissions keep out.
sub _let_in {
    my ($path) = @_;
    local $!;
    my ($mode, $owner, $gid) = (stat $path)[2, 4, 5];
    return ' (its directory is closed to you: its owner can open it, or you can name another socket)' if !defined $mode;
    my $group = $mode & 060 ? getgrgid $gid : undef;
    return " (it is for group $group: usermod -aG $group, then log in anew)" if defined $group;
    my $name = getpwuid $owner;
    return ' (it is for its owner alone: user ' . (defined $name ? $name : $owner)
        . ' can let you in, by the settings allow_user and socket_mode; or name no socket, for a broker of your own)';
}

sub _may_start {
    my ($self, $named) = @_;
    my $autostart = $self->{autostart};
    # An operator who has stopped a broker for good can say so for all scripts that do not say themselves.
    my $wished = $ENV{CPAN_BRIDGE_AUTOSTART};
    $autostart = !_is_no($wished) if !defined $autostart && defined $wished && $wished ne '';
    return $named ? $autostart : !defined $autostart || $autostart;
}

# The words for no that people write into an environment.
sub _is_no { return defined $_[0] && $_[0] =~ /\A(?:0|no|off|false)\z/i }

# What whoever reads it can do: nobody can start a broker in a place that is closed to him or taken.
sub _advice {
    my ($named, $path, $can_start) = @_;
    return "; CPAN_BRIDGE_AUTOSTART=$ENV{CPAN_BRIDGE_AUTOSTART} says that scripts start none: start one (cpan-bridge serve), or unset it"
        if !$named && _is_no($ENV{CPAN_BRIDGE_AUTOSTART});
    return '; start a broker (cpan-bridge serve), or create the object with autostart => 1' if !$named;
    return '' if !$can_start;
    return "; start a broker there (cpan-bridge serve --socket $path), or create the object with autostart => 1";
}

1;

__END__

=encoding utf8

=head1 NAME

CPANBridge::Locator - where a broker is, and a connection to it (used by CPANBridge)

=head1 DESCRIPTION

Goes through the places of L<CPANBridge::Places>, starts a broker where that is allowed, and finds the words for what kept it from
that. L<CPANBridge::Lane> makes it, with the fields C<socket>, C<autostart> and C<broker_user>.

A place that nobody named is only tried if its directory is there, is this user's or root's, and can be written by nobody else.
Wherever it connects, the kernel is asked who listens before anything is sent: this user, root, one who was named by
C<broker_user> or C<CPAN_BRIDGE_USER>, or, for the host's own service, the owner of its directory below F</run>.

=head1 METHODS

=head2 connect

    my ($connection, $why) = $locator->connect($deadline, $patience, $owner);

A L<CPANBridge::Connection>, or nothing and the reason. A broker that is not there and may not be started is waited for as
many seconds as C<$patience> says.

=head2 named_path

    my ($is_named, $path) = $locator->named_path;

Whether a socket was named, and its path.

=head2 usual_path

The path of the last socket that was named, if the same is named still; undef if another is, or none, and L</connect> has to look.

=cut
