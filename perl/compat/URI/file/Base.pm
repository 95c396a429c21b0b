package URI::file::Base;

# What paths of all systems have in common. See URI::file.

use strict;
use warnings;

use URI::Escape ();

# URI::file's setting.
no warnings 'once';

our $VERSION = '5.17';

# A path's URI as a text. Classes say by _parts_of what it consists of: an authority, and the path as a URI has it, escaped.
sub new {
    my ($class, $path) = @_;
    $path = '' if !defined $path;
    my ($authority, $escaped) = $class->_parts_of($path);
    if (!defined $authority && $escaped =~ m{\A/}) {
        $authority = $class->_default_authority;
        # What would be taken for one.
        $authority = '' if !defined $authority && $escaped =~ m{\A//};
    }
    if (defined $authority) {
        $authority = URI::Escape::uri_escape($authority, q(^A-Za-z0-9\-._~!$&'()*+,;=:\[\]));
        $escaped = "/$escaped" if $escaped !~ m{\A/};
        return "file://$authority$escaped";
    }
    return "file:$escaped" if $escaped =~ m{\A/};
    return $escaped =~ m{\A[a-zA-Z][a-zA-Z0-9.+\-]*:} ? "./$escaped" : $escaped;
}

sub _default_authority { return $URI::file::DEFAULT_AUTHORITY }

# The path of a URI, undef for one that the system has none for.
sub file { return undef }    ## no critic (ProhibitExplicitReturnUndef)

sub dir { my ($class, $uri) = @_; return $class->file($uri) }

# Whether the authority is this host.
sub _is_here {
    my ($authority) = @_;
    return !defined $authority || $authority eq '' || lc $authority eq 'localhost' || lc $authority eq lc _host_name();
}

my $HOST_NAME;

sub _host_name {
    return $HOST_NAME if defined $HOST_NAME;
    my $name = do { local ($@, $SIG{__DIE__}); eval { require Sys::Hostname; Sys::Hostname::hostname() } };
    return $HOST_NAME = defined $name ? $name : '';
}

# Segments of a path, without what escapes them; nothing if one has a character that the system separates by.
sub _segments {
    my ($path, $separators) = @_;
    my @segments = map { URI::Escape::uri_unescape($_) } split m{/}, $path, -1;
    return if grep { /[\0$separators]/ } @segments;
    return \@segments;
}

1;
