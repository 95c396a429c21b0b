package URI::gopher;

# gopher (RFC 4266). See URI.

use strict;
use warnings;

use URI::Escape ();
use URI::_server ();

our $VERSION = '5.17';
our @ISA = ('URI::_server');

sub default_port { return 70 }

# A path is `/`, a type, and what the type's server is asked: a selector, a search and more, with tabs between.
sub _asked {
    my ($self) = @_;
    my $path = $self->path_query;
    $path =~ s{\A/}{};
    my $type = length $path ? substr $path, 0, 1, '' : undef;
    return ($type, split /(?:%09|\t|\?)/, $path, 3);
}

sub _ask {
    my ($self, $place, @value) = @_;
    my @parts = $self->_asked;
    my $old = $parts[$place];
    if (@value) {
        $parts[0] = '1' if !defined $parts[0];
        $parts[$place] = defined $value[0] ? URI::_generic::_escape_part($value[0], 'A-Za-z0-9\-._~!$&\'()*+,;=:@/') : undef;
        my $last = $#parts;
        $last-- while $last > 1 && !defined $parts[$last];
        my $type = shift @parts;
        $self->path_query("/$type" . join '%09', map { defined $_ ? $_ : '' } @parts[0 .. $last - 1]);
    }
    return defined $old ? URI::Escape::uri_unescape($old) : undef;
}

sub gopher_type {
    my ($self, @value) = @_;
    my ($old, @rest) = $self->_asked;
    if (@value) {
        Carp::croak('Bad gopher type') if defined $value[0] && $value[0] !~ /\A[!-~]\z/;
        my $new = defined $value[0] ? $value[0] : '1';
        $self->path_query("/$new" . join '%09', map { defined $_ ? $_ : '' } @rest);
    }
    return defined $old ? $old : '1';
}

sub gtype    { my $self = shift; return $self->gopher_type(@_) }
sub selector { my $self = shift; return $self->_ask(1, @_) }
sub search   { my $self = shift; return $self->_ask(2, @_) }
sub string   { my $self = shift; return $self->_ask(3, @_) }

1;
