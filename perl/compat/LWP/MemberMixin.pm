package LWP::MemberMixin;

# Attributes that are fields of a hash, for LWP::UserAgent and its kin.

use strict;
use warnings;

our $VERSION = '6.68';

sub _elem {
    my ($self, $name, @value) = @_;
    my $old = $self->{$name};
    $self->{$name} = $value[0] if @value;
    return $old;
}

1;
