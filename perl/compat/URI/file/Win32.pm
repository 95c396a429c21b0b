package URI::file::Win32;

# Paths of Windows. See URI::file.

use strict;
use warnings;

use URI::Escape ();
use URI::file::Base ();

our $VERSION = '5.17';
our @ISA = ('URI::file::Base');

sub _parts_of {
    my ($class, $path) = @_;
    $path =~ tr{\\}{/};
    my $authority = $class->_default_authority;
    # Servers and drives stand in the path, or in front of it.
    if (defined $authority) {
        $path = "/$path" if $path =~ /\A[a-zA-Z]:/;
    }
    elsif ($path =~ s{\A//([^/]+)}{}) {
        $authority = $1;
    }
    elsif ($path =~ s{\A([a-zA-Z]:)}{}) {
        # A path of the drive's own folder.
        $authority = $path =~ m{\A/} ? $1 : "${1}relative";
        $path = "/$path" if $path !~ m{\A/};
    }
    my $escaped = URI::Escape::uri_escape($path, q(^A-Za-z0-9\-._~!$&'()*+,=:@/));
    return ($path =~ m{\A/} ? $authority : undef, $escaped);
}

sub file {
    my ($class, $uri) = @_;
    my ($authority, $path) = ($uri->authority, $uri->path);
    my $begin = '';
    if (defined $authority && $authority =~ /\A([a-zA-Z])(?::|%3A)(relative)?\z/i) {
        $begin = uc "$1:";
        $path =~ s{\A/}{} if defined $2;
    }
    elsif (!URI::file::Base::_is_here($authority)) {
        $begin = '\\\\' . URI::Escape::uri_unescape($authority);
    }
    elsif ($path =~ s{\A/([a-zA-Z])(?::|%3A)}{}i) {
        $begin = uc "$1:";
    }
    my $segments = URI::file::Base::_segments($path, '/\\\\') or return undef;    ## no critic (ProhibitExplicitReturnUndef)
    my @names = map { $class->_name($_) } @$segments;
    return undef if grep { !defined } @names;    ## no critic (ProhibitExplicitReturnUndef)
    return $begin . join '\\', @names;
}

sub _name { return $_[1] }

1;
