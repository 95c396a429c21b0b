package URI::mailto;

# mailto (RFC 6068). See URI.

use strict;
use warnings;

use URI::_generic ();

our $VERSION = '5.17';
our @ISA = ('URI::_generic');

sub to {
    my ($self, @value) = @_;
    my $old = URI::Escape::uri_unescape($self->path);
    $self->path(URI::Escape::uri_escape($value[0], '^A-Za-z0-9\-._~@,+!$&\'()*:;=/')) if @value;
    return $old;
}

sub headers {
    my ($self) = @_;
    return (to => $self->to, $self->query_form);
}

1;
