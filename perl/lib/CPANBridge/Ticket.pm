package CPANBridge::Ticket;

use strict;
use warnings;

our $VERSION = '0.100';

sub new {
    my ($class, %fields) = @_;
    return bless {%fields}, $class;
}

sub method  { return $_[0]->{method} }
sub is_done { return $_[0]->{done} ? 1 : 0 }
sub error   { return $_[0]->{error} }

sub result {
    my ($self) = @_;
    die $self->{error} if $self->{error};
    return $self->{value};
}

# The broker answered, or nobody will.
sub settle {
    my ($self, $error, $value) = @_;
    @{$self}{qw(done error value)} = (1, $error, $value);
    return $self;
}

1;

__END__

=encoding utf8

=head1 NAME

CPANBridge::Ticket - a call that is under way

=head1 SYNOPSIS

    my $ticket = $bridge->send_call('test.sleep', { seconds => 2 });
    # ... something else meanwhile ...
    my $result = $bridge->wait_for($ticket);

=head1 METHODS

=head2 new

=head2 settle

Used by L<CPANBridge>.

=head2 method

What was called.

=head2 is_done

Whether the answer is there. It is looked for by L<CPANBridge/poll> and L<CPANBridge/wait_for>, not by this.

=head2 result

The result; dies with the L<CPANBridge::Error> if the call failed. Only when it is done.

=head2 error

The L<CPANBridge::Error>, or undef.

=cut
