package HTTP::Headers::Auth;

# What a server asks for before it lets somebody in, apart and together (RFC 9110, 11.6). See HTTP::Headers.

use strict;
use warnings;

use HTTP::Headers ();
use HTTP::Headers::Util ();

our $VERSION = '6.44';

# Every challenge as its scheme, in small letters, and a hash of its parameters.
sub _apart {
    my (@values) = @_;
    my @found;
    for my $words (HTTP::Headers::Util::split_header_words(@values)) {
        my ($name, $value, @rest) = @$words;
        # A parameter of the scheme before it, or a scheme with its first one.
        if (!defined $value) {
            push @found, lc $name, {};
            ($name, $value, @rest) = @rest;
        }
        next if !defined $name || !@found;
        for (; defined $name; ($name, $value, @rest) = @rest) {
            $found[-1]{ lc $name } = $value;
        }
    }
    return @found;
}

sub _together {
    my ($scheme, $parameters) = @_;
    return $scheme if !defined $parameters;
    my @pairs = ref $parameters eq 'HASH' ? map { ($_ => $parameters->{$_}) } sort keys %$parameters : @$parameters;
    my @texts;
    while (my ($name, $value) = splice @pairs, 0, 2) {
        $value = '' if !defined $value;
        if ($name eq 'realm' || $value !~ /\A[\w!#\$%&'*+.^`|~\-]+\z/) {
            $value =~ s/(["\\])/\\$1/g;
            $value = qq("$value");
        }
        push @texts, "$name=$value";
    }
    return "$scheme " . join ', ', @texts;
}

sub _asked {
    my ($self, $field, @new) = @_;
    my @old = $self->_header($field);
    if (@new) {
        $self->remove_header($field);
        while (@new) {
            my $scheme = shift @new;
            $self->push_header($field => _together($scheme, ref $new[0] ? shift @new : undef));
        }
    }
    return if !defined wantarray;
    return wantarray ? _apart(@old) : join ', ', @old;
}

{
    no warnings qw(redefine once);
    *HTTP::Headers::www_authenticate   = sub { my $self = shift; return _asked($self, 'WWW-Authenticate', @_) };
    *HTTP::Headers::proxy_authenticate = sub { my $self = shift; return _asked($self, 'Proxy-Authenticate', @_) };
}

1;
