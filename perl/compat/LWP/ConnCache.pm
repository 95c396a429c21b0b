package LWP::ConnCache;

# Connections that are kept, for modules that have some: those of http and https are the broker's, which keeps them itself.

use strict;
use warnings;

our $VERSION = '6.68';

# No more than one of everything, if nobody says.
sub new {
    my ($class, %options) = @_;
    my $self = bless { cc_conns => [], cc_limit => {}, cc_limit_total => 1 }, $class;
    $self->total_capacity(delete $options{total_capacity}) if exists $options{total_capacity};
    if (%options && $^W) {
        require Carp;
        Carp::carp('Unrecognised options: ' . join ', ', sort keys %options);
    }
    return $self;
}

sub deposit {
    my ($self, $type, $key, $connection) = @_;
    push @{ $self->{cc_conns} }, [$connection, $type, $key, time];
    $self->enforce_limits($type);
    return;
}

# The one used last.
sub withdraw {
    my ($self, $type, $key) = @_;
    my $kept = $self->{cc_conns};
    for my $index (reverse 0 .. $#$kept) {
        next if $kept->[$index][1] ne $type || $kept->[$index][2] ne $key;
        return (splice @$kept, $index, 1)->[0];
    }
    return undef;    ## no critic (ProhibitExplicitReturnUndef)
}

# The connection to a server that the broker keeps, if that is the one used last: it is in use again.
sub again {
    my ($self, $server) = @_;
    my $last = $self->{cc_conns}[-1];
    return if !$last || ref $last->[0] ne 'LWP::Protocol::Kept' || $last->[0]{server} ne $server;
    $last->[3] = time;
    return $last->[0];
}

sub total_capacity {
    my ($self, @value) = @_;
    my $old = $self->{cc_limit_total};
    if (@value) {
        $self->{cc_limit_total} = $value[0];
        $self->enforce_limits;
    }
    return $old;
}

sub capacity {
    my ($self, $type, @value) = @_;
    my $old = $self->{cc_limit}{$type};
    if (@value) {
        $self->{cc_limit}{$type} = $value[0];
        $self->enforce_limits($type);
    }
    return $old;
}

# Gives up what is more than there may be, the oldest first.
sub enforce_limits {
    my ($self, $type) = @_;
    for my $each (defined $type ? $type : $self->get_types) {
        my $most = $self->{cc_limit}{$each};
        next if !defined $most;
        my $count = () = grep { $_->[1] eq $each } @{ $self->{cc_conns} };
        $self->dropping($_, "Exceeded capacity for $each") for $count > $most ? (grep { $_->[1] eq $each } @{ $self->{cc_conns} })[0 .. $count - $most - 1] : ();
    }
    my $most = $self->{cc_limit_total};
    if (defined $most) {
        $self->dropping($self->{cc_conns}[0], 'Exceeded the total capacity') while @{ $self->{cc_conns} } > $most;
    }
    return;
}

sub dropping {
    my ($self, $entry) = @_;
    @{ $self->{cc_conns} } = grep { $_ != $entry } @{ $self->{cc_conns} };
    return;
}

# Those for which a function is true; a number is an age in seconds, a text a type, nothing means all.
sub drop {
    my ($self, $which) = @_;
    my $matches = ref $which eq 'CODE' ? $which
        : !defined $which              ? sub { 1 }
        : $which =~ /\A\d+\z/          ? sub { time - $_[3] >= $which }
        :                                sub { $_[1] eq $which };
    @{ $self->{cc_conns} } = grep { !$matches->(@$_) } @{ $self->{cc_conns} };
    return;
}

# Gives up those that answer no more.
sub prune {
    my ($self) = @_;
    return $self->drop(sub { my ($connection) = @_; return ref $connection && eval { $connection->can('ping') } ? !$connection->ping : 0 });
}

sub get_types {
    my ($self) = @_;
    my %seen;
    return grep { !$seen{$_}++ } map { $_->[1] } @{ $self->{cc_conns} };
}

sub get_connections {
    my ($self, $type) = @_;
    return map { $_->[0] } grep { !defined $type || $_->[1] eq $type } @{ $self->{cc_conns} };
}

1;
