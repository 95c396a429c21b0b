package URI::http;

# http (RFC 9110, 4.2.1). See URI.

use strict;
use warnings;

use URI::_server ();

our $VERSION = '5.17';
our @ISA = ('URI::_server');

sub default_port { return 80 }

sub canonical {
    my ($self) = @_;
    my $other = $self->SUPER::canonical;
    return $other if length $other->path_query || !defined $other->authority;
    $other = $other->clone if URI::_same_object($other, $self);
    $other->path('/');
    return $other;
}

1;
