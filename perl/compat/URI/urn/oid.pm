package URI::urn::oid;

# urn:oid (RFC 3061). See URI.

use strict;
use warnings;

use URI::urn ();

our $VERSION = '5.17';
our @ISA = ('URI::urn');

sub oid {
    my ($self, @arcs) = @_;
    my $old = $self->nss;
    $self->nss(join '.', @arcs) if @arcs;
    return wantarray ? split /\./, $old : $old;
}

1;
