package URI::urn::isbn;

# urn:isbn (RFC 3187, RFC 8254), by Business::ISBN, which scripts that want this have. See URI.

use strict;
use warnings;

use Carp ();
use URI::urn ();

our $VERSION = '5.17';
our @ISA = ('URI::urn');

sub _isbn {
    my ($text) = @_;
    # Where it is asked what a number means: a URI is one without that as well.
    require Business::ISBN;
    my $isbn = defined $text ? Business::ISBN->new($text) : undef;
    return defined $isbn && $isbn->is_valid ? $isbn : undef;
}

sub _of {
    my ($self, $method) = @_;
    my $isbn = _isbn($self->nss);
    return defined $isbn ? $isbn->$method : undef;
}

sub isbn {
    my ($self, @value) = @_;
    my $old = _isbn($self->nss);
    $self->nss("$value[0]") if @value;
    return defined $old ? $old->as_string : undef;
}

sub isbn_publisher_code { my ($self) = @_; return $self->_of('publisher_code') }
sub isbn_group_code     { my ($self) = @_; return $self->_of('group_code') }

sub isbn_country_code {
    my ($self) = @_;
    Carp::carp('isbn_country_code is DEPRECATED. Use isbn_group_code instead');
    return $self->isbn_group_code;
}

sub isbn13 {
    my ($self) = @_;
    my $isbn = _isbn($self->nss);
    return defined $isbn ? $isbn->as_isbn13->as_string([]) : undef;
}

sub isbn_as_ean { my ($self) = @_; return $self->isbn13 }

sub canonical {
    my ($self) = @_;
    my $other = $self->SUPER::canonical;
    my $before = $@;
    my $isbn = eval { _isbn($other->nss) };
    # Without the module each is as it was written.
    $@ = $before;
    return $other if !defined $isbn || $isbn->as_string eq $other->nss;
    $other = $other->clone if URI::_same_object($other, $self);
    $other->nss($isbn->as_string);
    return $other;
}

1;
