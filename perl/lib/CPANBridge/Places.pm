package CPANBridge::Places;

use strict;
use warnings;

our $VERSION = '0.100';

# CPANBridge's package variables, which scripts set, are read with every connection.
no warnings 'once';

# ENOENT, without Errno, which takes as long to load as this does.
sub ENOENT () { 2 }

# The socket of this user's own broker, where a broker started without a word puts it. Not in the directory that logind makes for those
# who log in: that goes with the last login, and jobs of cron need the broker then.
sub user_socket {
    my ($runtime) = runtime_directory();
    return defined $runtime && $runtime ne _login_directory() ? socket_in("$runtime/cpan-bridge") : socket_in(usual_directory());
}

sub usual_directory  { return "/tmp/cpan-bridge-$>" }
sub _login_directory { return "/run/user/$>" }
sub socket_in        { return "$_[0]/broker.sock" }

# The directory that XDG_RUNTIME_DIR names, if that is worth anything (XDG Base Directory Specification): (directory), or (undef, why
# not), or () if none is named. Whoever becomes another user by su or sudo may bring the directory of the one before.
sub runtime_directory {
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
sub SYSTEM_SOCKET () { '/run/cpan-bridge/broker.sock' }

# Where this user's own broker may be listening that nobody told where, however this script was started: a login has the variable, jobs
# of cron have not, and units of the user's listen in the login's directory.
sub usual_sockets {
    my ($runtime) = runtime_directory();
    my %seen;
    return map { socket_in($_) } grep { !$seen{$_}++ } (defined $runtime ? "$runtime/cpan-bridge" : ()),
        _login_directory() . '/cpan-bridge', usual_directory();
}

# In directories that were made because somebody else had taken the usual one. The same ones for all processes of this user, in the
# same order.
sub private_sockets {
    return map { "$_/broker.sock" } private_directories();
}

# Directories of this user's own with a name that nobody could guess before they were there. No other user can make one that is
# taken for it, nor, as /tmp is sticky, move one away.
sub private_directories {
    opendir my $tmp, '/tmp' or return;
    my @names = sort grep { /\Acpan-bridge-$>-[0-9a-f]{8}\z/ } readdir $tmp;
    return grep { _is_private($_) } map { m{\A(.*)\z} ? "/tmp/$1" : () } @names;
}

sub _is_private {
    my ($directory) = @_;
    my ($mode, $owner) = (lstat $directory)[2, 4];
    return defined $mode && -d _ && $owner == $> && !($mode & 022);
}

sub system_socket { return SYSTEM_SOCKET }

# All places where a broker may be listening for this user, in the order of the protocol.
sub sockets {
    return (usual_sockets(), private_sockets(), system_socket());
}

# What a function gives for the first of these places that can be trusted and for which it gives anything. They are looked for one after
# the other: reading a directory takes longer than a connection.
sub first {
    my ($try) = @_;
    my %seen;
    for my $places (\&usual_sockets, \&private_sockets, \&system_socket) {
        for my $place (grep { !$seen{$_}++ } $places->()) {
            next if defined distrust($place);
            my ($path) = $place =~ m{\A([^\0]+)\z}s or next;
            my $result = $try->($path);
            return $result if $result;
        }
    }
    return;
}

# Why a socket that nobody named is not to be trusted; undef if it is. Anybody may create a directory in /tmp: only one
# that is ours, or root's, can hold the broker that gets our keys.
sub distrust {
    my ($socket) = @_;
    my $taken = taken($socket);
    return defined $taken ? $taken : is_there($socket) ? undef : directory($socket) . ' is not there';
}

sub is_there {
    my ($socket) = @_;
    return -d directory($socket);
}

# Why a socket's directory can't be this user's own; undef if it is, or if it can still be made.
sub taken {
    my ($socket) = @_;
    my $directory = directory($socket);
    my (undef, undef, $mode, undef, $owner) = lstat $directory or return $! == ENOENT ? undef : "$directory: $!";
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
    my $directory = directory(SYSTEM_SOCKET);
    my ($mode, $owner) = (lstat directory($directory))[2, 4];
    return if !defined $mode || $owner != 0 || $mode & 022;
    ($mode, $owner) = (lstat $directory)[2, 4];
    return defined $mode && -d _ ? $owner : undef;
}

# A path's directory. Not by File::Basename: few scripts need more of that, and it takes a tenth of the time that all of us takes to load.
sub directory {
    my ($path) = @_;
    my ($directory) = $path =~ m{\A(.*)/+[^/]*\z}s;
    return !defined $directory ? '.' : length $directory ? $directory : '/';
}

# Whether a user's broker, by number, is accepted on a socket beside this user's own and root's.
sub accepts {
    my ($locator, $path, $user) = @_;
    return 1 if grep { defined $_->[1] && $_->[1] == $user } named_users($locator);
    my $owner = $path eq SYSTEM_SOCKET ? system_owner() : undef;
    return defined $owner && $owner == $user;
}

# Names, and the numbers that go with them, of the users whose broker somebody said to be the right one.
sub named_users {
    my ($locator) = @_;
    my @names = map { split /\s*,\s*/ } grep { defined } $locator->{broker_user}, $ENV{CPAN_BRIDGE_USER};
    return map { [$_, /\A[0-9]+\z/ ? $_ : scalar getpwnam $_] } grep { length } @names;
}

1;

__END__

=encoding utf8

=head1 NAME

CPANBridge::Places - where a broker may be, and who is trusted there (used by CPANBridge)

=head1 DESCRIPTION

The places of the protocol, in its order, and the rules by which one that nobody named is trusted. Nothing here connects or changes
anything.

=head1 FUNCTIONS

=head2 user_socket

Where this user's own broker is started: C</tmp/cpan-bridge-UID/broker.sock>, or C<$XDG_RUNTIME_DIR/cpan-bridge/broker.sock> if that
is another directory than the login's.

=head2 usual_sockets

=head2 private_sockets

=head2 system_socket

=head2 sockets

=head2 SYSTEM_SOCKET

Where this user's own broker may be listening; where else, if somebody else had taken the usual place; the host's own service's; all of
them in the order in which they are tried.

=head2 first

    my $result = CPANBridge::Places::first(sub { my ($path) = @_; ... });

The first result of a function for one of these places that is trusted.

=head2 distrust

Why a socket that nobody named is not to be trusted, or undef.

=head2 taken

Why a socket's directory can't be this user's own, or undef.

=head2 is_there

Whether a socket's directory is there.

=head2 system_owner

Who owns the directory of the host's own service, if only root can have put it there.

=head2 directory

=head2 socket_in

=head2 usual_directory

=head2 private_directories

=head2 runtime_directory

A path's directory; the socket in one; this user's own below F</tmp>, and those that take its place; the one of C<XDG_RUNTIME_DIR>, or undef
and why it can't be used.

=head2 ENOENT

=head2 accepts

=head2 named_users

    CPANBridge::Places::accepts($locator, $path, $user) or ...;

Whether a user's broker, by number, is accepted on a socket beside this user's own and root's; who was named as such.

=cut
