package URI::_generic;

# URIs with an authority, a path and a query (RFC 3986, 3). See URI.

use strict;
use warnings;

use Carp ();
use URI ();
use URI::Escape ();
use URI::_query ();

our $VERSION = '5.17';
our @ISA = ('URI', 'URI::_query');

my $PATH_CHARACTERS = $URI::CHARACTERS;

sub _has_no_scheme { return 1 }

# scheme with colon, // and authority, path, ? and query, # and fragment
sub _parts {
    my ($self) = @_;
    $$self =~ m{\A($URI::SCHEME:)?(?://([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?\z}s or die "no URI: $$self";
    return ($1, $2, $3, $4, $5);
}

sub _join {
    my ($self, $scheme, $authority, $path, $query, $fragment) = @_;
    # What would be read otherwise (RFC 3986, 3.3).
    $path = "/$path" if defined $authority && length $path && $path !~ m{\A/};
    $path = "./$path" if !defined $scheme && !defined $authority && $path =~ m{\A[^/]*:};
    $path = "/.$path" if !defined $authority && $path =~ m{\A//};
    $$self = join '', defined $scheme ? $scheme : (), defined $authority ? "//$authority" : (), $path,
        defined $query ? "?$query" : (), defined $fragment ? "#$fragment" : ();
    return;
}

sub _escape_part {
    my ($text, $characters) = @_;
    $text = defined $text ? "$text" : '';
    $text =~ s/([^$characters])/URI::Escape::escape_char($1)/ge;
    utf8::downgrade($text, 1);
    return $text;
}

sub authority {
    my ($self, @value) = @_;
    my @parts = $self->_parts;
    my $old = $parts[1];
    if (@value) {
        $parts[1] = defined $value[0] ? $self->_new_authority("$value[0]") : undef;
        $self->_join(@parts);
    }
    return $old;
}

sub _new_authority {
    my ($self, $authority) = @_;
    $authority = $self->_escaped_authority($authority);
    $authority =~ s{([/?#])}{URI::Escape::escape_char($1)}ge;
    return $authority;
}

sub path {
    my ($self, @value) = @_;
    my @parts = $self->_parts;
    my $old = $parts[2];
    if (@value) {
        my $new = defined $value[0] ? $value[0] : '';
        $new = _escape_part($new, $PATH_CHARACTERS);
        $new =~ s/\?/%3F/g;
        $parts[2] = $new;
        $self->_join(@parts);
    }
    return $old;
}

sub path_query {
    my ($self, @value) = @_;
    my @parts = $self->_parts;
    my $old = defined $parts[3] ? "$parts[2]?$parts[3]" : $parts[2];
    if (@value) {
        my $new = _escape_part(defined $value[0] ? $value[0] : '', $URI::CHARACTERS);
        @parts[2, 3] = split /\?/, $new, 2;
        $parts[2] = '' if !defined $parts[2];
        $self->_join(@parts);
    }
    return $old;
}

sub path_segments {
    my ($self, @segments) = @_;
    my $path = $self->path;
    if (@segments) {
        my @escaped = map {
            my ($first, @parameters) = ref $_ ? @$_ : $_;
            $first = "$first";
            $first =~ s{([%/])}{URI::Escape::escape_char($1)}ge;
            $first =~ s{(;)}{%3B}g;
            join ';', $first, map { my $p = "$_"; $p =~ s{([%/;])}{URI::Escape::escape_char($1)}ge; $p } @parameters;
        } @segments;
        $self->path(join '/', @escaped);
    }
    return $path if !wantarray;
    return map { /;/ ? $self->_segment($_) : URI::Escape::uri_unescape($_) } split m{/}, $path, -1;
}

sub _segment {
    my ($self, $text) = @_;
    my ($first, @parameters) = map { URI::Escape::uri_unescape($_) } split /;/, $text, -1;
    require URI::_segment;
    return URI::_segment->new($first, @parameters);
}

# --- Relative references (RFC 3986, 5)

sub abs {    ## no critic (ProhibitBuiltinHomonyms)
    my ($self, $base) = @_;
    Carp::croak('Missing base argument') if !defined $base;
    $base = URI->new($base) if !ref $base;
    my ($scheme, $authority, $path, $query, $fragment) = $self->_parts;
    if (defined $scheme) {
        return $self if !$URI::ABS_ALLOW_RELATIVE_SCHEME || lc($scheme) ne lc(($base->_scheme || '') . ':');
        (my $rest = $$self) =~ s/\A$URI::SCHEME://;
        return URI->new($rest, $base->scheme)->abs($base) if $rest !~ m{\A//};
        return $self;
    }
    my ($base_scheme, $base_authority, $base_path, $base_query) = $base->can('_parts') ? $base->_parts : return $self;
    if (!defined $authority) {
        $authority = $base_authority;
        if (!length $path) {
            $path = $base_path;
            $query = $base_query if !defined $query;
        }
        elsif ($path !~ m{\A/}) {
            (my $folder = $base_path) =~ s{[^/]*\z}{};
            # Also without an authority, as the original has it.
            $folder = "/$folder" if $folder !~ m{\A/};
            $path = _without_dots("$folder$path");
        }
    }
    my $result = URI->new(defined $base_scheme ? "${base_scheme}x" : '');
    $result->_join($base_scheme, $authority, $path, $query, $fragment);
    return $result;
}

sub _without_dots {
    my ($path) = @_;
    my @kept;
    my @parts = split m{/}, $path, -1;
    my $root = @parts > 1 && $parts[0] eq '' ? shift @parts : undef;
    for my $index (0 .. $#parts) {
        my $part = $parts[$index];
        my $is_last = $index == $#parts;
        if ($part eq '.') {
            push @kept, '' if $is_last;
        }
        elsif ($part eq '..') {
            # Above the root there is nothing; the original keeps the dots there unless it is told otherwise.
            if (@kept && $kept[-1] ne '..') {
                pop @kept;
            }
            elsif (!$URI::ABS_REMOTE_LEADING_DOTS) {
                push @kept, '..';
                next;
            }
            push @kept, '' if $is_last;
        }
        else {
            push @kept, $part;
        }
    }
    return (defined $root ? '/' : '') . join '/', @kept;
}

sub rel {
    my ($self, $base) = @_;
    Carp::croak('Missing base argument') if !defined $base || $base eq '';
    my $result = $self->clone;
    $base = URI->new($base) if !ref $base;
    my ($scheme, $authority, $path) = map { defined $_ ? $_ : '' } ($result->canonical->_parts)[0 .. 2];
    my ($base_scheme, $base_authority, $base_path) = map { defined $_ ? $_ : '' } ($base->canonical->_parts)[0 .. 2];
    return $result if !length $scheme && !length $authority && $path !~ m{\A/};
    return $result if $scheme ne $base_scheme || $authority ne $base_authority;
    my (undef, undef, $own, $query, $fragment) = $result->_parts;
    # Behind a scheme there is a root, told or not.
    my ($target, $from) = map { m{\A/} ? $_ : "/$_" } $path, $base_path;
    return _reference(ref $self, '', $query, $fragment) if $target eq $from && defined $fragment && !defined $query && !defined(($base->_parts)[3]);
    my @target = split m{/}, $target, -1;
    my @from   = split m{/}, $from, -1;
    my $file = pop @target;
    pop @from;
    while (@target && @from && $target[0] eq $from[0]) {
        shift @target;
        shift @from;
    }
    my $relative = join '/', ('..') x @from, @target, defined $file ? $file : '';
    $relative = "./$relative" if !length $relative || $relative =~ m{\A/};
    return _reference(ref $self, $relative, $query, $fragment);
}

sub _reference {
    my ($class, $path, $query, $fragment) = @_;
    my $text = '';
    my $reference = bless \$text, 'URI::_generic';
    $reference->_join(undef, undef, $path, $query, $fragment);
    return bless $reference, $class;
}

1;
