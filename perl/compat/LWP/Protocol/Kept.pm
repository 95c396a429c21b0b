package LWP::Protocol::Kept;

# A connection that the broker keeps, for who looks into a LWP::ConnCache: the server it is to, and how long requests on it may take.

use strict;
use warnings;

our $VERSION = '6.68';

sub new {
    my ($class, %fields) = @_;
    return bless {%fields}, $class;
}

sub timeout {
    my ($self, @value) = @_;
    my $old = $self->{timeout};
    $self->{timeout} = $value[0] if @value;
    return $old;
}

sub peerhost { return $_[0]->{host} }
sub peerport { return $_[0]->{port} }

# The broker makes another one where this has ended.
sub ping { return 1 }

1;
