package URI::_generic;

# URIs with an authority, a path and a query (RFC 3986, 3). See URI.

use strict;
use warnings;

use Carp ();
use URI ();
use URI::Escape ();

our $VERSION = '5.17';
our @ISA = ('URI');

# A scheme that has no class.
@URI::_foreign::ISA = ('URI::_generic');

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
    $text = "$text";
    $text =~ s/([^$characters])/URI::Escape::escape_char($1)/ge;
    utf8::downgrade($text, 1);
    return $text;
}

sub authority {
    my ($self, @value) = @_;
    my @parts = $self->_parts;
    my $old = $parts[1];
    if (@value) {
        $parts[1] = defined $value[0] ? _escape_part($value[0], q(;:@&=+$,[\]A-Za-z0-9\-_.!~*'()%)) : undef;
        $self->_join(@parts);
    }
    return $old;
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

sub query {
    my ($self, @value) = @_;
    my @parts = $self->_parts;
    my $old = $parts[3];
    if (@value) {
        $parts[3] = defined $value[0] ? _escape_part($value[0], $URI::CHARACTERS) : undef;
        $self->_join(@parts);
    }
    return $old;
}

sub _form_escape {
    my ($text) = @_;
    $text = '' if !defined $text;
    $text = "$text";
    $text =~ s/([;\/?:@&=+,\$\[\]%])/URI::Escape::escape_char($1)/ge;
    $text =~ s/([^$URI::CHARACTERS ])/URI::Escape::escape_char($1)/ge;
    $text =~ s/ /+/g;
    return $text;
}

sub _form_unescape {
    my ($text) = @_;
    $text =~ tr/+/ /;
    return URI::Escape::uri_unescape($text);
}

sub query_form {
    my ($self, @new) = @_;
    my $old = $self->query;
    if (@new) {
        my $delimiter;
        my $first = $new[0];
        if (ref $first eq 'ARRAY') {
            (undef, $delimiter) = @new;
            @new = @$first;
        }
        elsif (ref $first eq 'HASH') {
            (undef, $delimiter) = @new;
            @new = map { $_ => $first->{$_} } sort keys %$first;
        }
        elsif (@new % 2) {
            $delimiter = pop @new;
        }
        my @terms;
        while (my ($name, $values) = splice @new, 0, 2) {
            my $key = _form_escape($name);
            my @values = ref $values eq 'ARRAY' ? @$values : $values;
            push @terms, map { "$key=" . _form_escape($_) } @values;
        }
        if (@terms) {
            $delimiter = $1 if !defined $delimiter && defined $old && $old =~ /([&;])/;
            $delimiter = $URI::DEFAULT_QUERY_FORM_DELIMITER || '&' if !defined $delimiter;
            $self->query(join $delimiter, @terms);
        }
        else {
            $self->query(undef);
        }
    }
    return if !defined $old || !length $old || !defined wantarray;
    return if $old !~ /=/;
    return map { _form_unescape($_) } map { /=/ ? split(/=/, $_, 2) : ($_ => '') } split /[&;]/, $old;
}

sub query_keywords {
    my ($self, @new) = @_;
    my $old = $self->query;
    if (@new) {
        @new = @{ $new[0] } if @new == 1 && ref $new[0] eq 'ARRAY';
        my @escaped = map { my $word = $_; $word =~ s/([;\/?:@&=+,\$\[\]%])/URI::Escape::escape_char($1)/ge; $word } @new;
        $self->query(@escaped ? join '+', @escaped : undef);
    }
    return if !defined $old || !defined wantarray;
    return if $old =~ /=/;
    return map { URI::Escape::uri_unescape($_) } split /\+/, $old, -1;
}

# --- What URI::QueryParam adds

sub query_param {
    my ($self, @args) = @_;
    my @pairs = $self->query_form;
    if (!@args) {
        my (%seen, $index);
        return grep { !($index++ % 2) && !$seen{$_}++ } @pairs;
    }
    my ($name, @values) = @args;
    my @old = map { $pairs[2 * $_ + 1] } grep { $pairs[2 * $_] eq $name } 0 .. $#pairs / 2;
    if (@values) {
        my @new = map { ref $_ eq 'ARRAY' ? @$_ : $_ } @values;
        my @kept;
        while (my ($key, $value) = splice @pairs, 0, 2) {
            push @kept, $key, $value if $key ne $name;
            push @kept, $key, shift @new if $key eq $name && @new;
        }
        push @kept, map { $name => $_ } @new;
        $self->query_form(\@kept);
    }
    return wantarray ? @old : $old[0];
}

sub query_param_append {
    my ($self, $name, @values) = @_;
    my @pairs = $self->query_form;
    push @pairs, map { $name => $_ } map { ref $_ eq 'ARRAY' ? @$_ : $_ } @values;
    $self->query_form(\@pairs);
    return;
}

sub query_param_delete {
    my ($self, $name) = @_;
    my (@pairs, @old, @kept) = $self->query_form;
    while (my ($key, $value) = splice @pairs, 0, 2) {
        $key eq $name ? push @old, $value : push @kept, $key, $value;
    }
    $self->query_form(\@kept);
    return @old;
}

sub query_form_hash {
    my ($self, @new) = @_;
    my (%form, @pairs);
    @pairs = $self->query_form;
    while (my ($key, $value) = splice @pairs, 0, 2) {
        $form{$key} = !exists $form{$key} ? $value : ref $form{$key} ? [@{ $form{$key} }, $value] : [$form{$key}, $value];
    }
    $self->query_form(@new == 1 ? %{ $new[0] } : @new) if @new;
    return \%form;
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
        return URI->new($rest, $base->scheme)->abs($base) if $rest !~ m{\A/};
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
            $folder = '/' if defined $base_authority && !length $folder;
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
    Carp::croak('Missing base argument') if !defined $base;
    my $result = $self->clone;
    $base = URI->new($base) if !ref $base;
    my ($scheme, $authority, $path) = map { defined $_ ? $_ : '' } ($result->canonical->_parts)[0 .. 2];
    my ($base_scheme, $base_authority, $base_path) = map { defined $_ ? $_ : '' } ($base->canonical->_parts)[0 .. 2];
    return $result if !length $scheme && !length $authority && $path !~ m{\A/};
    return $result if $scheme ne $base_scheme || $authority ne $base_authority;
    my (undef, undef, $own, $query, $fragment) = $result->_parts;
    my @target = split m{/}, $path, -1;
    my @from   = split m{/}, $base_path, -1;
    my $file = pop @target;
    pop @from;
    while (@target && @from && $target[0] eq $from[0]) {
        shift @target;
        shift @from;
    }
    my $relative = join '/', ('..') x @from, @target, defined $file ? $file : '';
    $relative = "./$relative" if !length $relative || $relative =~ m{\A/};
    my $text = '';
    my $reference = bless \$text, 'URI::_generic';
    $reference->_join(undef, undef, $relative, $query, $fragment);
    return bless $reference, ref $self;
}

1;
