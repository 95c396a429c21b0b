#!/usr/bin/env perl
# Has commands take turns, round after round, and tells what they print, and the ratios of the first to each of the others.
#
#     turns.pl TOPIC PLACE ROUNDS LABEL 'COMMAND' [LABEL 'COMMAND']...
#
# Each command prints lines of a name and a figure, separated by a tab. Ratios are taken round by round, because on a shared machine
# what a moment yields wanders; median, least and most of them are told, in the form that benches/report.pl reads. A command that
# fails is left out with a word on standard error.
use strict;
use warnings;

my ($topic, $place, $rounds, @rest) = @ARGV;
my (@labels, %command, %figure, @names);
while (my ($label, $command) = splice @rest, 0, 2) {
    push @labels, $label;
    $command{$label} = $command;
}

for my $round (1 .. $rounds) {
    for my $label (@labels) {
        next if !$command{$label};
        # One that hangs does not hold up the others.
        my @lines = qx{timeout 120 $command{$label}};
        if ($?) {
            print {*STDERR} "  ($topic: no figures of $label)\n";
            delete @{$_}{$label} for \%command, values %figure;
            next;
        }
        for my $line (@lines) {
            chomp $line;
            my ($name, $figure) = split /\t/, $line;
            push @names, $name if !$figure{$name};
            push @{ $figure{$name}{$label} }, $figure;
        }
    }
}

for my $name (@names) {
    my $of = $figure{$name};
    my $ours = $of->{ $labels[0] };
    for my $label (grep { $of->{$_} } @labels) {
        tell_result($name, $label, 'rate', @{ $of->{$label} });
        next if $label eq $labels[0] || !$ours;
        tell_result($name, $label, 'ratio', map { $ours->[$_] / $of->{$label}[$_] } 0 .. $#$ours);
    }
}

sub tell_result {
    my ($name, $label, $what, @values) = @_;
    my @sorted = sort { $a <=> $b } @values;
    my $median = ($sorted[$#sorted / 2] + $sorted[@sorted / 2]) / 2;
    print join("\t", $topic, $place, $name, $label, $what, map { sprintf '%.4f', $_ } $median, @sorted[0, -1]), "\n";
    return;
}
