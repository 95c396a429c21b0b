package Rate;

# How often something can be done in a second, for the benchmarks in Perl.

use strict;
use warnings;

use Time::HiRes qw(time);

# Prints name and rate; $work does $each of what is counted.
sub report {
    my ($seconds, $name, $each, $work) = @_;
    $work->();
    my ($count, $begin, $took) = (0, time, 0);
    while (($took = time - $begin) < $seconds || !$count) {
        $work->();
        $count += $each;
    }
    printf "%s\t%.1f\n", $name, $count / $took;
    return;
}

1;
