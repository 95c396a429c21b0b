package LWP::Protocol::Kept;

# A connection that the broker keeps, for who looks into a LWP::ConnCache: the server it is to, and how long requests on it may take.

use strict;
use warnings;

use LWP::MemberMixin ();

our $VERSION = '6.68';
our @ISA = ('LWP::MemberMixin');

sub new {
    my ($class, %fields) = @_;
    return bless {%fields}, $class;
}

sub timeout {
    my $self = shift;
    return $self->_elem('timeout', @_);
}

sub peerhost { return $_[0]->{host} }
sub peerport { return $_[0]->{port} }

# The broker makes another one where this has ended.
sub ping { return 1 }

1;
