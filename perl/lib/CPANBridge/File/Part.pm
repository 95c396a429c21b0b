package CPANBridge::File::Part;

use strict;
use warnings;

use Fcntl ();

our $VERSION = '0.100';

# As many tries as nobody needs who is not in somebody's way.
use constant TRIES => 16;

sub beside {
    my ($class, $target, $mode) = @_;
    # What is there and no file, as a device, is written to: a file in its place would be of no use to anybody.
    if (-e $target && !-f _) {
        open my $out, '>', $target or return;
        binmode $out;
        return bless { target => $target, out => $out }, $class;
    }
    for (1 .. TRIES) {
        my $path = sprintf '%s.%s.part', $target, _random();
        my $flags = Fcntl::O_CREAT() | Fcntl::O_EXCL() | Fcntl::O_WRONLY();
        if (sysopen my $out, $path, $flags, defined $mode ? $mode : 0666) {
            binmode $out;
            return bless { target => $target, path => $path, out => $out, pid => $$ }, $class;
        }
        return if !$!{EEXIST};
    }
    return;
}

# Nobody else can tell beforehand.
sub _random {
    my $bytes = '';
    if (open my $source, '<', '/dev/urandom') {
        binmode $source;
        sysread $source, $bytes, 8;
    }
    return length $bytes == 8 ? unpack 'H*', $bytes : sprintf '%d%09d', $$, int rand 1e9;
}

sub write {    ## no critic (ProhibitBuiltinHomonyms)
    my ($self, $bytes) = @_;
    # What a script sets for its own printing (perl -l) is not for these.
    local ($\, $,);
    return print { $self->{out} } $bytes;
}

sub path { my ($self) = @_; return defined $self->{path} ? $self->{path} : $self->{target} }

sub finish {
    my ($self) = @_;
    my $out = delete $self->{out};
    close $out or return 0;
    return 1 if !defined $self->{path};
    rename $self->{path}, $self->{target} or return 0;
    delete $self->{path};
    return 1;
}

sub DESTROY {
    my ($self) = @_;
    return if !defined $self->{path} || $self->{pid} != $$;
    local ($@, $!, $?);
    close $self->{out} if $self->{out};
    # Only what was made here has a path.
    unlink $self->{path};
    return;
}

1;

__END__

=encoding utf8

=head1 NAME

CPANBridge::File::Part - a file that is not whole yet (used by CPANBridge::HTTP and the stand-ins)

=head1 SYNOPSIS

    my $part = CPANBridge::File::Part->beside($file) or die $!;
    $part->write($bytes) or die $!;
    $part->finish or die $!;

=head1 METHODS

=head2 beside

    my $part = CPANBridge::File::Part->beside($target, $mode);

Makes a file beside the target, under a name that nobody can tell beforehand. A target that is there and no regular file, such as a
device, is opened itself. False if that fails; C<$!> says why.

=head2 write

=head2 path

The name of the file that is written to.

=head2 finish

Puts the file in the target's place. What is not finished is gone with the object.

=cut
