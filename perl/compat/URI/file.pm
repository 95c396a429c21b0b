package URI::file;

# file (RFC 8089), on every system that has had paths of its own. See URI.

use strict;
use warnings;

use Cwd ();
use URI::Escape ();
use URI::_generic ();

our $VERSION = '5.17';
our @ISA = ('URI::_generic');

# `file:///path` or, undef, `file:/path`.
our $DEFAULT_AUTHORITY = '';

our %OS_CLASS = (mac => 'Mac', macos => 'Mac', win32 => 'Win32', mswin32 => 'Win32', os2 => 'OS2', qnx => 'QNX', dos => 'FAT', fat => 'FAT');

sub os_class {
    my ($os) = @_;
    $os = $^O if !defined $os;
    my $class = 'URI::file::' . ($OS_CLASS{ lc $os } || 'Unix');
    (my $file = "$class.pm") =~ s{::}{/}g;
    require $file;
    return $class;
}

sub host {
    my ($self, @value) = @_;
    my $old = $self->authority;
    $self->authority(defined $value[0] && $value[0] =~ /:.*:/ && $value[0] !~ /\[/ ? "[$value[0]]" : $value[0]) if @value;
    return defined $old ? URI::Escape::uri_unescape($old) : undef;
}

# A path's URI; that of a relative path is relative.
sub new {
    my ($class, $path, $os) = @_;
    $path = '' if !defined $path;
    return URI->new($path, 'file') if !defined $os && $path =~ /\Afile:/i;
    return URI->new(os_class($os)->new($path), 'file');
}

sub new_abs {
    my ($class, $path, $os) = @_;
    my $self = $class->new($path, $os);
    return $self if $$self =~ /\Afile:/;
    return $self->abs($class->cwd);
}

sub cwd {
    my ($class) = @_;
    my $path = Cwd::getcwd();
    # Perl's own form is that of Unix nearly everywhere.
    my $here = $class->new($path);
    my $text = $$here;
    $text .= '/' if $text !~ m{/\z};
    return URI->new($text, 'file');
}

sub canonical {
    my ($self) = @_;
    my $other = $self->SUPER::canonical;
    my $host = $other->authority;
    return $other if !defined $other->_scheme || defined $host && lc $host ne 'localhost';
    $other = $other->clone if URI::_same_object($other, $self);
    $other->authority($DEFAULT_AUTHORITY);
    return $other;
}

sub file {
    my ($self, $os) = @_;
    return os_class($os)->file($self);
}

sub dir {
    my ($self, $os) = @_;
    return os_class($os)->dir($self);
}

1;
