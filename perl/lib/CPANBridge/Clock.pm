package CPANBridge::Clock;

use strict;
use warnings;

use CPANBridge::Lane ();
use CPANBridge::Loader ();

our $VERSION = '0.100';

# Monotonic where there is such a clock. Time::HiRes is core, but a package of its own on some systems.
sub _monotonic {
    my $eval_error = $@;
    my $number = eval {
        CPANBridge::Loader::core('Time/HiRes.pm');
        my $clock = Time::HiRes::CLOCK_MONOTONIC();
        Time::HiRes::clock_gettime($clock) > 0 ? $clock : undef;
    };
    # All that Perl and the module have to say names it; anything else is what a signal's handler died of.
    die $@ if !defined $number && (ref $@ || $@ ne '' && $@ !~ /HiRes/);
    $@ = $eval_error;
    return $number;
}

{
    my $number = _monotonic();
    @CPANBridge::Lane::CLOCK = defined $number ? (\&Time::HiRes::clock_gettime, $number) : (sub { return time }, undef);
}

1;

__END__

=encoding utf8

=head1 NAME

CPANBridge::Clock - the clock of time limits (used by CPANBridge)

=head1 DESCRIPTION

Loading it puts into C<@CPANBridge::Lane::CLOCK> a function and its argument that tell the time: by a monotonic clock where the system has
one and Time::HiRes is there.

=cut
