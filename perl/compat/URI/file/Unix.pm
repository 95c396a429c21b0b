package URI::file::Unix;

# Paths of Unix. See URI::file.

use strict;
use warnings;

use URI::Escape ();
use URI::file::Base ();

our $VERSION = '5.17';
our @ISA = ('URI::file::Base');

sub _parts_of {
    my ($class, $path) = @_;
    $path =~ s{\A//+}{/};
    my $escaped = URI::Escape::uri_escape($path, q(^A-Za-z0-9\-._~!$&'()*+,=:@/));
    return (undef, $escaped);
}

sub file {
    my ($class, $uri) = @_;
    my $segments = URI::file::Base::_segments($uri->path, '/') or return undef;    ## no critic (ProhibitExplicitReturnUndef)
    my $path = join '/', @$segments;
    my $authority = $uri->authority;
    return URI::file::Base::_is_here($authority) ? $path : "//$authority$path";
}

1;
