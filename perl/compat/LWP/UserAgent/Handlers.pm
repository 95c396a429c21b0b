package LWP::UserAgent::Handlers;

# What a LWP::UserAgent calls on a request's way: handlers by phase, each for all messages or for some (HTTP::Config).

use strict;
use warnings;

use HTTP::Config ();

our $VERSION = '6.68';

sub add_handler {
    my ($self, $phase, $code, %conditions) = @_;
    $conditions{line} ||= join ':', (caller)[1, 2];
    my $handlers = $self->{handlers}{$phase} ||= HTTP::Config->new;
    $handlers->add({ %conditions, callback => $code });
    return;
}

sub set_my_handler {
    my ($self, $phase, $code, %conditions) = @_;
    $conditions{owner} = (caller 1)[3] if !exists $conditions{owner};
    $self->remove_handler($phase, %conditions);
    return if !defined $code;
    $conditions{line} ||= join ':', (caller)[1, 2];
    my $handlers = $self->{handlers}{$phase} ||= HTTP::Config->new;
    $handlers->add({ %conditions, callback => $code });
    return;
}

sub get_my_handler {
    my ($self, $phase, @rest) = @_;
    my $init = @rest % 2 ? pop @rest : undef;
    my %conditions = @rest;
    $conditions{owner} = (caller 1)[3] if !exists $conditions{owner};
    my $handlers = $self->{handlers}{$phase};
    my $found = $handlers && $handlers->find(%conditions);
    if (!$found && $init) {
        $found = ref $init eq 'CODE' ? do { my $new = {%conditions}; $init->($new); $new } : {%$init, %conditions};
        ($self->{handlers}{$phase} ||= HTTP::Config->new)->add($found);
    }
    return $found;
}

sub remove_handler {
    my ($self, $phase, %conditions) = @_;
    my @phases = $phase ? $phase : keys %{ $self->{handlers} || {} };
    my @removed;
    for my $each (@phases) {
        my $handlers = $self->{handlers}{$each} or next;
        push @removed, $handlers->remove(%conditions);
        delete $self->{handlers}{$each} if $handlers->empty;
    }
    return @removed;
}

sub handlers {
    my ($self, $phase, $object) = @_;
    my @found;
    if (my $handlers = $self->{handlers}{$phase}) {
        push @found, $handlers->matching($object);
    }
    if ($object->{handlers} && $object->{handlers}{$phase}) {
        push @found, @{ $object->{handlers}{$phase} };
    }
    return @found;
}

sub run_handlers {
    my ($self, $phase, $object) = @_;
    return if !$self->{handlers} && !$object->{handlers};
    my @handlers = $self->handlers($phase, $object);
    # Handlers may put another request, or response, in the place of the caller's.
    if (defined wantarray && $phase =~ /\A(?:request_send|response_redirect)\z/) {
        for my $handler (@handlers) {
            my $result = $handler->{callback}->($_[2], $self, $handler);
            return $result if $result;
        }
        return;
    }
    for my $handler (@handlers) {
        $handler->{callback}->($_[2], $self, $handler);
    }
    return;
}

1;
