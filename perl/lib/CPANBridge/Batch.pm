package CPANBridge::Batch;

use strict;
use warnings;

use CPANBridge::Envelope ();
use CPANBridge::Lane ();
use CPANBridge::MessagePack ();
use CPANBridge::Ticket ();
use CPANBridge::Wire ();

our $VERSION = '0.100';

# The fast way of a pipeline: calls in their usual forms, whose answers find their places by the calls' numbers, without a ticket for each.
# As soon as anything else comes, those that are not answered get tickets, and the rest is CPANBridge::Session's, which this has to agree
# with.

# Bytes of the requests, numbered from $msgid on; nothing if one of the calls is not of the usual form.
sub _requests {
    my ($calls, $msgid, $options) = @_;
    my $beside = CPANBridge::Wire::REQUEST_HEAD + length $options;
    my $bytes = '';
    my ($name, $params);
    for my $call (@$calls) {
        return if @$call > 2;
        $name = $CPANBridge::Wire::NAME{ $call->[0] } || CPANBridge::Wire::name($call->[0]);
        $params = $call->[1];
        $params = !defined $params ? CPANBridge::Wire::EMPTY_MAP : ref $params eq 'HASH' ? CPANBridge::Wire::pack_flat($params) : return;
        return if !defined $name || !defined $params;
        $bytes .= pack('NA3N', $beside + length($name) + length $params, CPANBridge::Wire::REQUEST, $msgid++) . $name . $params . $options;
    }
    return $bytes;
}

# Sends the calls in one write, as far as the kernel takes them now. The batch, or nothing if the calls are for the other way, and none of
# them was sent; or (undef, error) if the connection ended, and some may have run.
sub begin {
    my ($session, $calls, $limit, $deadline) = @_;
    my $connection = $session->{connection};
    my $first = $session->{msgid};
    return if !$connection || !$connection->is_mine || $connection->has_unsent || $session->{refused} || $session->long_here
        || $first + @$calls >= CPANBridge::Wire::LARGEST_UINT32;
    my $bytes = _requests($calls, $first, CPANBridge::Wire::options($limit));
    return if !defined $bytes;
    $session->{msgid} = $first + @$calls;
    my $before = $connection->sent;
    if (!$connection->send_now($bytes)) {
        return (undef, $session->unsent_together($calls->[0][0], $deadline)) if $connection->sent != $before;
        $connection->forget_unsent;
        return;
    }
    return bless {
        connection => $connection, calls => $calls, first => $first, count => scalar @$calls, left => scalar @$calls, results => [],
        bytes => $bytes, limit => $limit, deadline => $deadline, queued => $connection->queued,
    };
}

# Takes answers as long as nothing else comes. Whether all are there.
sub receive {
    my ($self, $session) = @_;
    my $connection = $self->{connection};
    while ($self->{left}) {
        next if $session->take_answers($connection, $self);
        # The rest of a short answer is waited for here; of what has another length the other way knows what to think.
        last if !$connection->has_part_of(CPANBridge::Lane::LONG) || !$connection->more($self->{deadline});
        # Another process than a handler's child, and no handler has closed it.
        last if !$connection->is_mine || ($session->{connection} || 0) != $connection || CPANBridge::Lane::now() >= $self->{deadline};
    }
    return !$self->{left};
}

# The calls without an answer, by their place among all, as tickets.
sub tickets {
    my ($self, $session) = @_;
    my ($connection, $calls, $results) = @{$self}{qw(connection calls results)};
    my $has_it = ($session->{connection} || 0) == $connection;
    my (%tickets, $at);
    $at = 0;
    for my $index (0 .. $self->{count} - 1) {
        my $length = unpack 'N', substr $self->{bytes}, $at, 4;
        $at += 4 + $length;
        next if exists $results->[$index];
        my $body = substr $self->{bytes}, $at - $length + CPANBridge::Wire::REQUEST_HEAD, $length - CPANBridge::Wire::REQUEST_HEAD;
        my $ticket = $tickets{$index} = bless {
            method => $calls->[$index][0], body => \$body, limit => $self->{limit}, deadline => $self->{deadline},
            msgid => $self->{first} + $index, queued => $self->{queued}, awaited => 1,
        }, 'CPANBridge::Ticket';
        $has_it ? $session->{tickets}{ $ticket->{msgid} } = $ticket : $ticket->settle($session->given_up($ticket->{method}));
    }
    return \%tickets;
}

1;

__END__

=encoding utf8

=head1 NAME

CPANBridge::Batch - the fast way of a pipeline (used by CPANBridge)

=head1 DESCRIPTION

Calls without options of their own, with parameters in their usual forms, over a connection that is there. L<CPANBridge::Session> makes
tickets for all others, and for those of a batch that are not simply answered.

=head1 METHODS

=head2 begin

    my ($batch, $error) = CPANBridge::Batch::begin($session, \@calls, $seconds, $deadline);

Sends calls, C<[$method, \%parameters]>. Nothing if they are for the other way: then nothing was sent.

=head2 receive

    $batch->receive($session) or ...;

Takes answers up to the first that is not as usual, or does not come. Whether all are there: C<< $batch->{results} >>, in the order of the
calls.

=head2 tickets

    my $tickets = $batch->tickets($session);

A L<CPANBridge::Ticket> for each call whose answer is not there, by its place. They are the session's.

=cut
