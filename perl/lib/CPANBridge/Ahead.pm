package CPANBridge::Ahead;

use strict;
use warnings;

use CPANBridge::Error ();

our $VERSION = '0.100';

# Calls that are under way while what they bring is used: the broker works on one while this process deals with the last. How many there
# are bounds the memory on both sides, whatever the size of the whole.
sub new {
    my ($class, $bridge, $most) = @_;
    # Within a call of the same object tickets are those of another one.
    return bless { bridge => $bridge->available, most => $most, tickets => [] }, $class;
}

sub bridge   { return $_[0]->{bridge} }
sub has_room { return @{ $_[0]->{tickets} } < $_[0]->{most} ? 1 : 0 }
sub is_empty { return @{ $_[0]->{tickets} } ? 0 : 1 }

sub add {
    my ($self, $ticket) = @_;
    push @{ $self->{tickets} }, $ticket;
    return;
}

# The result of the first. If it failed, those behind it are not left to come in later.
sub take {
    my ($self) = @_;
    my $ticket = shift @{ $self->{tickets} };
    my ($result, $error);
    {
        local $@;
        return $result if eval { $result = $self->{bridge}->wait_for($ticket); 1 };
        $error = $@;
    }
    $self->_settle(sub { }, \$error);
    die $error;
}

# Those that are under way are no longer wanted.
sub give_up {
    my ($self) = @_;
    my $error = '';
    $self->_settle(sub { $self->{bridge}->cancel($_[0]) }, \$error);
    die $error if ref $error ? !CPANBridge::Error::is_one($error) : length $error;
    return;
}

# Waits for the rest, whose errors say nothing that the first does not. What anybody else died of, a signal's handler say, is not to be lost.
sub _settle {
    my ($self, $before, $error) = @_;
    my $eval_error = $@;
    for my $ticket (splice @{ $self->{tickets} }) {
        eval { $before->($ticket); $self->{bridge}->wait_for($ticket); 1 } or CPANBridge::Error::is_one($@) or $$error = $@;
    }
    $@ = $eval_error;
    return;
}

1;

__END__

=encoding utf8

=head1 NAME

CPANBridge::Ahead - a window of calls under way (used by the stand-ins)

=head1 SYNOPSIS

    my $ahead = CPANBridge::Ahead->new($bridge, 3);
    for my $piece (@pieces) {
        $out .= $ahead->take->{data} if !$ahead->has_room;
        $ahead->add($ahead->bridge->send_call($method, { data => $piece }));
    }
    $out .= $ahead->take->{data} while !$ahead->is_empty;

=head1 METHODS

=head2 new

    my $ahead = CPANBridge::Ahead->new($bridge, $most);

A window of at most so many calls, over a L<CPANBridge>.

=head2 bridge

What calls are to be sent by: within a call of the object that L</new> was given, another one.

=head2 has_room

=head2 is_empty

Whether there are fewer calls than the most; whether there are none.

=head2 add

    $ahead->add($ticket);

Another call, which was sent.

=head2 take

    my $result = $ahead->take;

The result of the first call. Dies as L<CPANBridge/wait_for> does, after the other calls have ended.

=head2 give_up

Cancels the calls that are under way and waits until they have ended.

=cut
