package CPANBridge::Shared;

use strict;
use warnings;

use CPANBridge ();

our $VERSION = '0.100';

# One connection for all stand-ins of a process; after a fork the client opens the child's own.
my $BRIDGE;

sub bridge {
    $BRIDGE ||= CPANBridge->new;
    return $BRIDGE;
}

1;

__END__

=encoding utf8

=head1 NAME

CPANBridge::Shared - the client that the stand-ins of a process share

=head1 FUNCTIONS

=head2 bridge

    my $bridge = CPANBridge::Shared::bridge();

=cut
