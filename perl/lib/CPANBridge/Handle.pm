package CPANBridge::Handle;

use strict;
use warnings;

use Carp ();
use CPANBridge::Error ();
use CPANBridge::Lane ();
use CPANBridge::Wire ();

our $VERSION = '0.100';

# State that the broker keeps for this process, and ends when the object does. The rules that all such objects have in common:
# - The handle is the process's (and thread's) that made it: a child has a copy of the object, but neither frees the handle nor uses it,
#   because what it did to the state would be done to its parent's.
# - To free one is a courtesy: it ends by itself when nobody used it for long. So a destructor sends a notification over a connection that is
#   there and on which nothing is being sent, and otherwise leaves it at that. It starts no broker, opens nothing, waits for nothing.

# What is to be freed when the program or the thread ends, by id: at the end objects are taken apart in any order.
my %LIVE;
# The process or thread whose end has been seen to.
my $ends_well = $$ + $CPANBridge::Lane::THREAD;

sub make {
    my ($class, $bridge, $method, $params, %names) = @_;
    my $result = $bridge->call($method, $params);
    my $id = ref $result eq 'HASH' ? $result->{ $names{id} } : undef;
    die CPANBridge::Error::bad_answer($method, "has no $names{id}") if !defined $id || ref $id || !length $id;
    my $self = bless { id => "$id", bridge => $bridge, made => time, process => $$ + $CPANBridge::Lane::THREAD, name => $names{id}, free => $names{free} },
        $class;
    _see_to_the_end($self->{process}) if $ends_well != $self->{process};
    $LIVE{$id} = [@{$self}{qw(bridge process name free)}];
    return $self;
}

sub id      { return $_[0]->{id} }
sub is_mine { return $_[0]->{process} == $$ + $CPANBridge::Lane::THREAD }

sub call {
    my ($self, $method, $params, %options) = @_;
    $self->_check($method);
    my ($result, $error);
    {
        local $@;
        return $result if eval { $result = $self->{bridge}->call($method, { %$params, $self->{name} => $self->{id} }, %options); 1 };
        $error = $@;
    }
    $self->_explain($error) if CPANBridge::Error::is_one($error) && $error->code eq 'not_found';
    die $error;
}

# Says why there is no such handle, if it is known: a broker that was started since the handle was made has none of those before.
sub _explain {
    my ($self, $error) = @_;
    local $@;
    my $stats = eval { $self->{bridge}->call('test.stats', {}, timeout => 2) };
    my $start = ref $stats eq 'HASH' ? $stats->{start_time} : undef;
    return if !defined $start || ref $start || $start !~ /\A[0-9]+(?:\.[0-9]+)?\z/ || $start <= $self->{made} + 1;
    my ($minute, $hour) = (localtime $start)[1, 2];
    $error->{message} .= sprintf ' (the broker was started anew at %02d:%02d, and what the one before kept is gone)', $hour, $minute;
    return;
}

sub send_call {
    my ($self, $bridge, $method, $params, %options) = @_;
    $self->_check($method);
    return $bridge->send_call($method, { %$params, $self->{name} => $self->{id} }, %options);
}

sub _check {
    my ($self, $method) = @_;
    Carp::croak("$method: this object was freed already") if !defined $self->{id};
    Carp::croak("$method: what this object stands for belongs to the process or thread that made it; make another one here")
        if !$self->is_mine;
    return;
}

sub free {
    my ($self) = @_;
    my $id = delete $self->{id};
    return if !defined $id;
    my $entry = delete $LIVE{$id};
    _tell($id, $entry) if $entry && is_mine($self);
    return;
}

sub _tell {
    my ($id, $entry) = @_;
    my ($bridge, undef, $name, $free) = @$entry;
    # At the end it may be taken apart already, and be no object any more: so no methods.
    my $session = ref $bridge && $bridge->{ CPANBridge::KEY() } or return;
    my $eval_error = $@;
    local ($!, $?);
    local $SIG{__DIE__} = 'DEFAULT';
    # [2, method, parameters], by hand: at a script's end nothing more is loaded. An id that is no plain text is none of ours.
    my ($method, $params) = (CPANBridge::Wire::name($free), CPANBridge::Wire::pack_flat({ $name => $id }));
    _send($session, "\x93\x02$method$params") if defined $method && defined $params;
    $@ = $eval_error;
    return;
}

# Sends a message that is not answered, but only if there is a connection on which nobody is at work, and without waiting: for destructors,
# which run at any point of a program, also when objects are none any more. What can't be told now is told the next time; it is little, and
# there are few.
sub _send {
    my ($session, $bytes) = @_;
    my $untold = $session->{untold} ||= [];
    shift @$untold if @$untold >= 100;
    push @$untold, $bytes;
    my $connection = $session->{connection};
    return if $session->{user} || $session->{entered} || !$connection || $connection->{process} != $$ + $CPANBridge::Lane::THREAD || length $connection->{out};
    my $all = join '', map { pack 'N/a*', $_ } splice @$untold;
    my $sent = send $connection->{handle}, $all, CPANBridge::Lane::SEND_FLAGS;
    # What the kernel did not take goes with the next call, which must not send before it; if the broker is gone, that call finds it out.
    return if !defined $sent || $sent == length $all;
    $connection->{sent} += $sent;
    $connection->{out} = substr $all, $sent;
    delete $session->{lane};
    return;
}

sub DESTROY {
    my ($self) = @_;
    local ($@, $!, $?);
    eval { free($self); 1 };
    return;
}

# A thread runs the END blocks that were compiled in it, and no others; a child has its parent's.
sub _see_to_the_end {
    my ($process) = @_;
    my $eval_error = $@;
    if ($CPANBridge::Lane::THREAD) {
        local ($!, $SIG{__DIE__});
        eval 'END { _free_all() } 1' or die $@;    ## no critic (ProhibitStringyEval)
    }
    $ends_well = $process;
    $@ = $eval_error;
    return;
}

# Frees what this process or thread has.
sub _free_all {
    my $process = $$ + $CPANBridge::Lane::THREAD;
    for my $id (keys %LIVE) {
        my $entry = delete $LIVE{$id};
        _tell($id, $entry) if $entry->[1] == $process;
    }
    return;
}

END { _free_all() }

1;

__END__

=encoding utf8

=head1 NAME

CPANBridge::Handle - an object that stands for state in the broker (used by the stand-ins)

=head1 SYNOPSIS

    my $chain = CPANBridge::Handle->make($bridge, 'crypto.chain_new', \%parameters, id => 'chain_id', free => 'crypto.chain_free');
    my $data = $chain->call('crypto.chain_next', { data => $bytes })->{data};

=head1 DESCRIPTION

The state is freed when the object goes, by a notification that is sent only if a connection is there and nothing is being sent over it;
otherwise it ends by itself when it was not used for long. Destructors never start a broker, wait or warn.

A handle is the process's, and the thread's, that made it: in a child or another thread the copy of the object frees nothing, and using it
croaks.

=head1 METHODS

=head2 make

    my $handle = CPANBridge::Handle->make($bridge, $method, \%parameters, id => $name, free => $method);

Calls a function that makes a handle. C<id> is the name under which its id is in the result and goes into later calls; C<free> is the
function that frees it. Dies as L<CPANBridge/call> does.

=head2 id

=head2 is_mine

The handle's id; whether it is this process's and thread's.

=head2 call

    my $result = $handle->call($method, \%parameters, %options);

L<CPANBridge/call> with the id among the parameters.

=head2 send_call

    my $ticket = $handle->send_call($bridge, $method, \%parameters, %options);

The same for L<CPANBridge/send_call>, over a client that is L<CPANBridge/available>.

=head2 free

Frees it now. Nobody is told whether that could be done.

=cut
