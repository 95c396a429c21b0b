package URI::file::Mac;

# Paths of MacOS before its tenth version. See URI::file.

use strict;
use warnings;

use URI::Escape ();
use URI::file::Base ();

our $VERSION = '5.17';
our @ISA = ('URI::file::Base');

sub _default_authority { return undef }    ## no critic (ProhibitExplicitReturnUndef)

# `:` begins what is relative and separates; one more goes up. Without one in front the first name is a volume's.
sub _parts_of {
    my ($class, $path) = @_;
    my $is_relative = $path !~ /:/ || $path =~ s/\A://;
    my @names = split /:/, $path, -1;
    my $is_folder = @names > 1 && $names[-1] eq '' && grep { length } @names;
    pop @names if @names && $names[-1] eq '';
    my @segments = map {
        length $_ ? join '', map { /\A\.{1,2}\z/ ? '%2E' x length : $_ } URI::Escape::uri_escape($_, q(^A-Za-z0-9\-._~!$&'()*+,=@)) : '..'
    } @names;
    my $escaped = join '/', @segments, $is_folder ? '' : ();
    return (undef, $is_relative ? length $escaped ? $escaped : '.' : "/$escaped");
}

# A folder's path ends in a colon.
sub dir {
    my ($class, $uri) = @_;
    my $path = $class->file($uri);
    $path .= ':' if defined $path && $path !~ /:\z/;
    return $path;
}

sub file {
    my ($class, $uri) = @_;
    my ($authority, $path) = ($uri->authority, $uri->path);
    return undef if $path =~ /:|%3A|%00/i || defined $authority && $authority =~ /:/;    ## no critic (ProhibitExplicitReturnUndef)
    my $is_absolute = $path =~ s{\A/}{};
    my $text = $is_absolute ? '' : ':';
    my @segments = split m{/}, $path, -1;
    unshift @segments, $authority if !URI::file::Base::_is_here($authority);
    my $is_behind_name = 0;
    for my $segment (@segments) {
        next if $segment eq '.';
        if ($segment eq '..') {
            $text .= $is_behind_name ? '::' : ':';
            $is_behind_name = 0;
            next;
        }
        $text .= ':' if $is_behind_name;
        $text .= URI::Escape::uri_unescape($segment);
        $is_behind_name = 1;
    }
    return length $text ? $text : undef;
}

1;
