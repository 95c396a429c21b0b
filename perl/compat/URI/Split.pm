package URI::Split;

# URIs apart and together, without an object (RFC 3986, appendix B). See URI.

use strict;
use warnings;

use Exporter 'import';
use URI::Escape ();

our $VERSION = '5.17';
our @EXPORT_OK = qw(uri_split uri_join);

sub uri_split {
    my ($text) = @_;
    return $text =~ m{\A(?:([^:/?#]+):)?(?://([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?}s;
}

# What would be taken for the next part is escaped.
sub uri_join {
    my ($scheme, $authority, $path, $query, $fragment) = @_;
    my $text = defined $scheme ? "$scheme:" : '';
    $path = '' if !defined $path;
    if (defined $authority) {
        $authority =~ s{([/?\#])}{URI::Escape::escape_char($1)}ge;
        $text .= "//$authority";
        $path = "/$path" if length $path && $path !~ m{\A/};
    }
    elsif ($path =~ m{\A//}) {
        $text .= '//';
    }
    if (!length $text && $path =~ m{\A([^:/?\#]+):}) {
        $path =~ s/:/%3A/;
    }
    $path =~ s{([?\#])}{URI::Escape::escape_char($1)}ge;
    $text .= $path;
    if (defined $query) {
        $query =~ s/(\#)/URI::Escape::escape_char($1)/ge;
        $text .= "?$query";
    }
    return defined $fragment ? "$text#$fragment" : $text;
}

1;
