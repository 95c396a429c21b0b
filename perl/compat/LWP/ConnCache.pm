package LWP::ConnCache;

# Connections are the broker's, which keeps them; this holds what scripts ask of the original.

use strict;
use warnings;

our $VERSION = '6.68';

sub new {
    my ($class, %options) = @_;
    return bless { total_capacity => exists $options{total_capacity} ? $options{total_capacity} : 1 }, $class;
}

sub total_capacity {
    my ($self, @value) = @_;
    my $old = $self->{total_capacity};
    $self->{total_capacity} = $value[0] if @value;
    return $old;
}

sub capacity        { my ($self, $type, @value) = @_; my $old = $self->{capacity}{$type}; $self->{capacity}{$type} = $value[0] if @value; return $old }
sub get_connections { return }
sub get_types       { return }
sub prune           { return }
sub drop            { return }

1;
