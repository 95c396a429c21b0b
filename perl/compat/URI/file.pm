package URI::file;

# file (RFC 8089), as Unix has it. See URI.

use strict;
use warnings;

use Cwd ();
use URI::Escape ();
use URI::_generic ();

our $VERSION = '5.17';
our @ISA = ('URI::_generic');

# A path's URI; that of a relative path is relative.
sub new {
    my ($class, $path) = @_;
    $path = '' if !defined $path;
    return URI->new($path) if $path =~ /\Afile:/i;
    (my $escaped = $path) =~ s/([%;?#])/URI::Escape::escape_char($1)/ge;
    $escaped = "./$escaped" if $escaped =~ m{\A[^/]*:};
    return $escaped =~ m{\A/} ? URI->new("file://$escaped") : URI->new($escaped, 'file')->_relative($escaped);
}

sub _relative {
    my ($self, $path) = @_;
    my $text = URI::_escaped($path);
    return bless \$text, ref $self;
}

sub new_abs {
    my ($class, $path) = @_;
    my $self = $class->new($path);
    return $self if $$self =~ /\Afile:/;
    return $class->new(Cwd::getcwd() . "/$path");
}

sub cwd {
    my ($class) = @_;
    return $class->new(Cwd::getcwd() . '/');
}

sub host {
    my ($self, @value) = @_;
    my $old = $self->authority;
    $self->authority($value[0]) if @value;
    return defined $old ? $old : '';
}

sub file {
    my ($self) = @_;
    my $host = $self->host;
    return undef if length $host && lc $host ne 'localhost';    ## no critic (ProhibitExplicitReturnUndef)
    my $path = URI::Escape::uri_unescape($self->path);
    return $path =~ /\0/ ? undef : $path;
}

sub dir { my $self = shift; return $self->file(@_) }

1;
