#!/usr/bin/env perl
# What a call costs a server: CPU time, system calls (by strace) and, of the broker, instructions (by callgrind, which no other
# work on the machine touches). What is not installed is said so and left out. Prints results for benches/report.pl.
#
#     costs.pl LOAD BROKER PLACE LABEL=SOCKET:PID...
use strict;
use warnings;

use File::Temp qw(tempdir);
use POSIX ();

my ($load, $broker, $place, @servers) = @ARGV;
my @BATCHES = (1, 64);

sub calls {
    my ($kind, $socket, $batch, $count) = @_;
    system($load, "$kind=$socket", '--count', $count, '--in-flight', $batch) == 0 or die "the load generator failed\n";
    return;
}

sub tell_result {
    my ($topic, $batch, $label, $what, $figure) = @_;
    print join("\t", $topic, $place, "P=$batch", $label, $what, (sprintf '%.4f', $figure) x 3), "\n";
    return;
}

# CPU seconds of a process so far (proc(5): the fields behind the name).
sub cpu_time {
    my ($pid) = @_;
    open my $stat, '<', "/proc/$pid/stat" or die "no figures of $pid: $!\n";
    my @fields = split ' ', (readline($stat) =~ /\) (.*)/)[0];
    return ($fields[11] + $fields[12]) / POSIX::sysconf(POSIX::_SC_CLK_TCK());
}

sub has { return !system "command -v $_[0] >/dev/null" }

my $directory = tempdir(CLEANUP => 1);
for my $server (@servers) {
    my ($label, $socket, $pid) = $server =~ /\A(\w+)=(.+):(\d+)\z/ or die "LABEL=SOCKET:PID is wanted, not $server\n";
    for my $batch (@BATCHES) {
        my $count = 100_000 * ($batch > 1 ? 20 : 1);
        my $before = cpu_time($pid);
        calls($label, $socket, $batch, $count);
        tell_result('costs', $batch, $label, 'CPU us', (cpu_time($pid) - $before) * 1e6 / $count);
        next if !has('strace');
        my $calls = system_calls($label, $socket, $pid, $batch, 6_400);
        tell_result('costs', $batch, $label, 'system calls', $calls) if defined $calls;
    }
}

sub system_calls {
    my ($label, $socket, $pid, $batch, $count) = @_;
    my $tracer = fork;
    die "no process: $!\n" if !defined $tracer;
    if (!$tracer) {
        open STDERR, '>', "$directory/said";
        exec 'strace', '-c', '-f', '-o', "$directory/counted", '-p', $pid or POSIX::_exit(127);
    }
    # It says when it is there.
    until (-s "$directory/said") {
        return if waitpid($tracer, POSIX::WNOHANG()) > 0;
        select undef, undef, undef, 0.02;
    }
    calls($label, $socket, $batch, $count);
    kill INT => $tracer;
    waitpid $tracer, 0;
    unlink "$directory/said";
    open my $counted, '<', "$directory/counted" or return;
    my ($total) = map { /(\d+)(?:\s+\d+)?\s+total$/ ? $1 : () } readline $counted;
    return defined $total ? $total / $count : undef;
}

if (!has('valgrind')) {
    print {*STDERR} "  (valgrind is not installed: no instructions)\n";
    exit 0;
}
for my $batch (@BATCHES) {
    my ($few, $many) = map { instructions($batch, $_) } 6_400, 64_000;
    # What the start and the end take is in both.
    tell_result('instructions', $batch, 'broker', 'instructions', ($many - $few) / (64_000 - 6_400)) if $few && $many;
}

# All instructions of a broker that answered so many calls.
sub instructions {
    my ($batch, $count) = @_;
    my $socket = "$directory/counted.sock";
    my $pid = open my $ready, '-|';
    die "no process: $!\n" if !defined $pid;
    if (!$pid) {
        open STDERR, '>', "$directory/valgrind";
        exec 'valgrind', '--tool=callgrind', "--callgrind-out-file=$directory/callgrind.out", $broker, 'serve', '--socket', $socket,
            '--ready-fd', 1, '--log-level', 'warning' or POSIX::_exit(127);
    }
    my $word = readline $ready;
    if (defined $word) {
        calls('broker', $socket, $batch, $count);
        kill TERM => $pid;
    }
    close $ready;
    open my $said, '<', "$directory/valgrind" or return;
    my ($collected) = map { /Collected : (\d+)/ ? $1 : () } readline $said;
    print {*STDERR} "  (no instructions: the broker did not run under valgrind)\n" if !$collected;
    return $collected;
}
