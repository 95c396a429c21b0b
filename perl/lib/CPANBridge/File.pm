package CPANBridge::File;

use strict;
use warnings;

use Fcntl ();

our $VERSION = '0.100';

# A key or a certificate is no larger.
use constant MOST => 4 << 20;

# Files that a script names are opened without waiting and judged by what was opened: a pipe that nobody writes to would hold the
# script up for ever, and a device has no end. The broker does the same (see docs/security.md).
sub open_to_read {
    my ($path) = @_;
    local ($!, $^W);
    sysopen my $file, $path, Fcntl::O_RDONLY() | Fcntl::O_NONBLOCK() | Fcntl::O_NOCTTY() or return (undef, "$!");
    return $file, if -f $file;
    my $what = -d _ ? 'a directory' : -p _ ? 'a pipe' : -c _ || -b _ ? 'a device' : 'no regular file';
    return (undef, "it is $what; only regular files are opened");
}

sub content {
    my ($path, $most) = @_;
    $most = MOST if !defined $most;
    my ($file, $why) = open_to_read($path);
    return (undef, $why) if !$file;
    binmode $file;
    local $!;
    my ($text, $count) = '';
    # One byte more, to see whether there is more.
    1 while ($count = sysread $file, $text, $most + 1 - length $text, length $text) && length $text <= $most;
    return (undef, "$!") if !defined $count;
    return (undef, "it is larger than $most bytes") if length $text > $most;
    return $text;
}

1;

__END__

=encoding utf8

=head1 NAME

CPANBridge::File - reads files that a script names (used by CPANBridge and the stand-ins)

=head1 FUNCTIONS

=head2 open_to_read

    my ($handle, $why) = CPANBridge::File::open_to_read($path);

A handle of a regular file, or undef and the reason: what is no regular file is refused, without waiting for it.

=head2 content

    my ($text, $why) = CPANBridge::File::content($path, $most);

The bytes of a regular file of at most C<$most> bytes (4 MiB if not given), or undef and the reason.

=cut
