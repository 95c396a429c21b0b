#!/usr/bin/env perl
# Tables and plots of what `make bench` measured.
#
#     report.pl RESULTS                       prints the tables
#     report.pl RESULTS PAGE DIRECTORY        writes them as a page, its plots (SVG) and a copy of the results into a directory beside it
#     report.pl --compare EARLIER RESULTS     says what has become of figures that noise does not touch
#
# Results are lines of eight fields, separated by tabs: topic, place, cell, who, what, median, least, most; and lines
# "about", name, value, which say what they were measured with. The first who of a topic is ours.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use Chart;
use File::Basename qw(basename dirname);
use File::Copy qw(copy);
use File::Path qw(make_path);

my %PLACE = (one => 'Everything on one CPU', two => 'On two CPUs');
my @PLACES = qw(one two here);

# What was asked: what, at least (or less than), of whom, topic, cell, what; a cell that is a pattern stands for the least of all it fits.
my @TARGETS = (
    ['A script with one call, in CPU time, to one with IO::Socket::UNIX', '>=', 2.50, 'bare', 'perl', 'a script, in a second of CPU time', 'ratio'],
    ['A script with one call, in CPU time, to one with Redis.pm', '>=', 8.30, 'Redis', 'perl', 'a script, in a second of CPU time', 'ratio'],
    ['Perl, two texts there and back, to Redis::Fast (XS)', '>=', 0.80, 'Redis::Fast', 'perl', 'two texts, persistent', 'ratio'],
    ['Perl, two texts, pipelined (100), to Redis.pm', '>=', 3.00, 'Redis', 'perl', 'two texts, pipelined by 100', 'ratio'],
    ['Broker to the bare echo server, C=1 P=1',    '>=', 0.90, 'echo',        'load',     'C=1 P=1',            'ratio'],
    ['Broker to the bare echo server, C=50 P=64',  '>=', 0.50, 'echo',        'load',     'C=50 P=64',          'ratio'],
    ['Broker to Redis, every cell of C x P',       '>=', 1.00, 'redis',       'load',     qr/^C=/,              'ratio'],
    ['Broker to Redis, C=50 P=64',                 '>=', 1.50, 'redis',       'load',     'C=50 P=64',          'ratio'],
    ['Connect, call, close to Redis',              '>=', 1.50, 'redis',       'one-shot', 'one-shot',           'ratio'],
    ['Perl persistent to Redis.pm',                '>=', 2.50, 'Redis',       'perl',     'persistent',         'ratio'],
    ['Perl persistent to Redis::Fast (XS)',        '>=', 1.10, 'Redis::Fast', 'perl',     'persistent',         'ratio'],
    ['Perl pipelined (100) to Redis.pm',           '>=', 4.00, 'Redis',       'perl',     'pipelined by 100',   'ratio'],
    ['Perl one-shot to Redis.pm',                  '>=', 2.50, 'Redis',       'perl',     'one-shot',           'ratio'],
    ['Perl one-shot to the bare one-shot of Perl', '>=', 0.60, 'bare',        'perl',     'one-shot',           'ratio'],
    ['Bytes for an idle connection',               '<',  1024, 'broker',      'idle',     '10000 idle',         'bytes each'],
    ['With 10,000 idle connections to without',    '>=', 0.97, 'uncrowded',   'crowded',  'C=50 P=1',           'ratio'],
);

my @TOPICS = (
    [load          => 'Servers under load',
        'C connections with P requests in flight on each: `test.echo` of nothing, Redis\' PING, and a server that sends back bytes it does not understand.'],
    [data          => 'Servers under load, 100 bytes',
        'The same with 100 bytes: `test.echo` of them, Redis\' SET and GET, the bare server.'],
    ['one-shot'    => 'A connection for each request', ''],
    [payload       => 'Payloads',
        'One request at a time that carries so many bytes there and back: `test.echo`, Redis\' ECHO, the bare server.'],
    [perl          => 'From Perl',
        'Small calls a second: the client, `call_python` of the old interface, the bare built-ins with the bare server, the clients of Redis (Redis::Fast is XS) and of Gearman (which has a worker in Perl behind its server).'],
    [codec         => 'Codecs in Perl', 'How often a value is packed and unpacked in a second.'],
    [paced         => 'Latency by load',
        'C=50: requests that are due every 250 us whatever becomes of them, so many that it is this part of what each server carries when it is asked as fast as it answers. From the time they are due to their answers.'],
    ['busy-poll'   => 'Looking before sleeping', 'A broker with `busy_poll` at 100 us beside one without.'],
    [idle          => 'Idle connections', ''],
    [crowded       => 'Beside idle connections', 'A broker with 10,000 idle connections beside one without, 50 active connections.'],
    [costs         => 'What a call costs the server', 'P calls are sent at once on one connection.'],
    [instructions  => 'Instructions of the broker for a call', 'By callgrind: what no other work on the machine touches. Of the program alone, without the kernel.'],
    ['crypt-cbc'   => 'Crypt::CBC', 'The stand-in beside the original (with CryptX), AES-256-CBC where nothing else is said.'],
    ['old-ciphers' => 'Cipher functions of the old daemon', 'Beside its library in the same process, without a socket (PyCryptodome).'],
    [html          => 'HTML::Parser', 'The stand-in beside the original, a page of 1 MB.'],
    [http          => 'LWP::UserAgent', 'The stand-in beside the original, against nginx on this machine.'],
    [beside        => 'The loop beside slow transfers', 'Small calls while 50 transfers wait for their server, beside the same calls alone.'],
);

my %result;
my (%about, %order);

sub read_results {
    my ($file) = @_;
    open my $in, '<', $file or die "can't read $file: $!\n";
    while (my $line = readline $in) {
        chomp $line;
        my @fields = split /\t/, $line, -1;
        if ($fields[0] eq 'about') {
            $about{ $fields[1] } = $fields[2];
            next;
        }
        die "$file: no result: $line\n" if @fields != 8;
        my ($topic, $place, $cell, $who, $what, @figures) = @fields;
        my $seen = $order{$topic} ||= { cells => [], who => [], what => [] };
        for my $pair ([cells => $cell], [who => $who], [what => $what]) {
            my ($list, $name) = @$pair;
            push @{ $seen->{$list} }, $name if !grep { $_ eq $name } @{ $seen->{$list} };
        }
        $result{$topic}{$place}{$cell}{$who}{$what} = \@figures;
    }
    return;
}

sub figure {
    my ($value) = @_;
    my $text = sprintf $value >= 100 ? '%.0f' : $value >= 10 ? '%.1f' : '%.2f', $value;
    1 while $text =~ s/^(\d+)(\d{3})/$1,$2/;
    return $text;
}

# The rows of a table: what each comes to, and what it is of ours.
sub comparison {
    my ($topic, $place) = @_;
    my ($ours, @others) = grep_who($topic, $place);
    my @head = ('', $ours, map { $_, 'ratio (least to most)' } @others);
    my $has_latency = grep { $_ eq 'p50 us' } @{ $order{$topic}{what} };
    push @head, "$ours p50 us", 'p99 us' if $has_latency;
    my @rows;
    for my $cell (grep { my $of = $result{$topic}{$place}{$_}; $of && grep { $_->{rate} } values %$of } @{ $order{$topic}{cells} }) {
        my $of = $result{$topic}{$place}{$cell};
        my @row = ($cell, $of->{$ours} ? figure($of->{$ours}{rate}[0]) : '');
        for my $other (@others) {
            my ($rate, $ratio) = @{ $of->{$other} || {} }{qw(rate ratio)};
            push @row, $rate ? figure($rate->[0]) : '', $ratio ? sprintf('%.2f (%.2f to %.2f)', @$ratio) : '';
        }
        push @row, map { figure($of->{$ours}{$_}[0]) } 'p50 us', 'p99 us' if $has_latency;
        push @rows, \@row;
    }
    return (\@head, @rows);
}

# The rows of a table of figures that are not compared.
sub listing {
    my ($topic, $place) = @_;
    my @who = grep_who($topic, $place);
    my @what = @{ $order{$topic}{what} };
    my @rows;
    for my $cell (grep { $result{$topic}{$place}{$_} } @{ $order{$topic}{cells} }) {
        for my $who (@who) {
            my $of = $result{$topic}{$place}{$cell}{$who} or next;
            push @rows, [$cell, $who, map { $of->{$_} ? figure($of->{$_}[0]) : '' } @what];
        }
    }
    return (['', '', @what], @rows);
}

sub grep_who {
    my ($topic, $place) = @_;
    my $cells = $result{$topic}{$place};
    return grep { my $who = $_; grep { $_->{$who} } values %$cells } @{ $order{$topic}{who} };
}

sub table_of {
    my ($topic, $place) = @_;
    return (grep { $_ eq 'ratio' } @{ $order{$topic}{what} }) ? comparison($topic, $place) : listing($topic, $place);
}

# A figure that a target is about: of all cells that a pattern fits the worst.
sub reached {
    my ($place, $target) = @_;
    my (undef, $sense, undef, $who, $topic, $cell, $what) = @$target;
    my $cells = $result{$topic}{$place} or return;
    my @found = map { [$_, $cells->{$_}{$who}{$what}[0]] } grep { $cells->{$_}{$who} && $cells->{$_}{$who}{$what} }
        grep { ref $cell ? $_ =~ $cell : $_ eq $cell } sort keys %$cells;
    my ($worst) = sort { $sense eq '<' ? $b->[1] <=> $a->[1] : $a->[1] <=> $b->[1] } @found;
    return $worst;
}

# What the bare server, or the bare built-ins of Perl, come to beside the same peer: more can hardly be had.
sub ceiling {
    my ($place, $target) = @_;
    my (undef, undef, undef, $peer, $topic, $cell) = @$target;
    return '' if ref $cell;
    my $of = $result{$topic}{$place}{$cell} or return '';
    my ($bare) = grep { $of->{$_} && $_ ne $peer } qw(echo bare);
    return '' if !defined $bare || !$of->{$peer} || $peer eq 'echo';
    return sprintf '%.2f', $of->{$bare}{rate}[0] / $of->{$peer}{rate}[0];
}

sub targets {
    my @rows;
    for my $target (@TARGETS) {
        my ($name, $sense, $bound) = @$target;
        my @cells = map {
            my $found = reached($_, $target) || reached('here', $target);
            $found ? figure($found->[1]) . (ref $target->[5] ? " ($found->[0])" : '') : '';
        } qw(one two);
        push @cells, ceiling('one', $target);
        my $one = reached('one', $target) || reached('here', $target);
        my $met = !$one ? '' : ($sense eq '<' ? $one->[1] < $bound : sprintf('%.2f', $one->[1]) >= $bound) ? 'yes' : 'no';
        push @rows, [$name, ($sense eq '<' ? 'below ' : '') . figure($bound), @cells, $met];
    }
    return (['', 'asked', 'one CPU', 'two CPUs', 'the bare one', 'reached'], grep { $_->[2] ne '' || $_->[3] ne '' } @rows);
}

sub print_table {
    my ($head, @rows) = @_;
    my @width = map { my $column = $_; (sort { $b <=> $a } map { length $_->[$column] } $head, @rows)[0] } 0 .. $#$head;
    for my $row ($head, @rows) {
        my $line = join '  ', map { $_ ? sprintf '%*s', $width[$_], $row->[$_] : sprintf '%-*s', $width[0], $row->[0] } 0 .. $#$row;
        $line =~ s/\s+\z//;
        print "  $line\n";
    }
    print "\n";
    return;
}

sub markdown {
    my ($head, @rows) = @_;
    return join '', map { "$_\n" } '| ' . join(' | ', @$head) . ' |', '| ' . join(' | ', '---', ('---:') x $#$head) . ' |',
        map { '| ' . join(' | ', @$_) . ' |' } @rows;
}

sub show {
    for my $topic (grep { $result{ $_->[0] } } @TOPICS) {
        for my $place (grep { $result{ $topic->[0] }{$_} } @PLACES) {
            print "== $topic->[1]", ($PLACE{$place} ? ": \l$PLACE{$place}" : ''), "\n";
            print_table(table_of($topic->[0], $place));
        }
    }
    my ($head, @rows) = targets();
    return if !@rows;
    print "== What was asked\n";
    print_table($head, @rows);
    return;
}

# --- Plots: file, topic, place, and the chart

sub column {
    my ($topic, $place, $who, $what, @cells) = @_;
    return [map { my $found = $result{$topic}{$place}{$_}{$who}{$what}; $found ? $found->[0] : undef } @cells];
}

# What each peer is called in titles.
my %CALLED = (redis => 'Redis', echo => 'the bare server', 'redis-set' => "Redis' SET", 'redis-get' => "Redis' GET");
# The grids of connections and requests in flight: topic, what its cells end in, what its titles say of that.
my @GRIDS = (['load', '', ''], ['data', ' size=100', ', 100 bytes']);

sub grid_plots {
    my ($place, $topic, $rest, $what) = @_;
    my $cells = $result{$topic}{$place} or return;
    my $where = lcfirst $PLACE{$place};
    my (%connections, %depths);
    for my $cell (keys %$cells) {
        my ($c, $p) = $cell =~ /\AC=(\d+) P=(\d+)\Q$rest\E\z/ or next;
        $connections{$c} = $depths{$p} = 1;
    }
    my @connections = sort { $a <=> $b } keys %connections;
    my @depths      = sort { $a <=> $b } keys %depths;
    my @plots;
    for my $peer (grep { $CALLED{$_} } grep_who($topic, $place)) {
        push @plots, ["$topic-$peer-$place", $topic, $place, Chart::lines(
            title => "Broker to $CALLED{$peer}$what, $where", unit => 'ratio, by requests in flight', places => \@depths,
            lines => [map { my $c = $_; ["C=$c", column($topic, $place, $peer, 'ratio', map { "C=$c P=$_$rest" } @depths)] } @connections],
        )];
    }
    return @plots if !$connections{50};
    return @plots, ["$topic-rates-$place", $topic, $place, Chart::lines(
        title => "50 connections$what, $where", unit => 'calls a second, by requests in flight', places => \@depths, log => 1,
        lines => [map { [$_, column($topic, $place, $_, 'rate', map { "C=50 P=$_$rest" } @depths)] } grep_who($topic, $place)],
    )];
}

sub plots {
    my @plots;
    for my $place (qw(one two)) {
        my $where = lcfirst $PLACE{$place};
        push @plots, map { grid_plots($place, @$_) } @GRIDS;
        if ($result{payload}{$place}) {
            my @cells = sort { size($a) <=> size($b) } keys %{ $result{payload}{$place} };
            push @plots, ["payload-$place", 'payload', $place, Chart::lines(
                title => "Payloads, $where", unit => 'MiB a second, one way', places => [map { bytes(size($_)) } @cells], log => 1,
                lines => [map {
                    my $rates = column('payload', $place, $_, 'rate', @cells);
                    [$_, [map { defined $rates->[$_] ? $rates->[$_] * size($cells[$_]) / 2**20 : undef } 0 .. $#cells]]
                } grep_who('payload', $place)],
            )];
        }
        if (my $cells = $result{paced}{$place}) {
            my @loads = grep { exists $cells->{$_} } @{ $order{paced}{cells} };
            @loads = sort { $a <=> $b } map { /(\d+)/ } @loads;
            push @plots, ["paced-$place", 'paced', $place, Chart::lines(
                title => "99th percentile, $where", unit => 'microseconds, by load', places => [map { "$_ %" } @loads], log => 1,
                lines => [map { [$_, column('paced', $place, $_, 'p99 us', map { "$_ %" } @loads)] } grep_who('paced', $place)],
            )];
        }
        if ($result{perl}{$place}) {
            for my $way ('persistent', 'one-shot', 'pipelined by 100') {
                my @who = grep { $result{perl}{$place}{$way}{$_} } grep_who('perl', $place) or next;
                (my $file = $way) =~ s/ .*//;
                push @plots, ["perl-$file-$place", 'perl', $place, Chart::bars(
                    title => "From Perl, $way, $where", unit => 'calls a second',
                    bars => [map { [$_, $result{perl}{$place}{$way}{$_}{rate}[0]] } @who],
                )];
            }
        }
    }
    return @plots;
}

sub size { return $_[0] =~ /size=(\d+)/ ? $1 : 0 }

sub bytes {
    my ($size) = @_;
    return $size >= 2**20 ? $size / 2**20 . 'M' : $size >= 2**10 ? $size / 2**10 . 'k' : $size;
}

sub write_page {
    my ($results, $page, $directory) = @_;
    make_path($directory);
    unlink glob "$directory/*.svg";
    my $beside = basename($directory);
    my %plots;
    for my $plot (plots()) {
        my ($name, $topic, $place, $svg) = @$plot;
        write_file("$directory/$name.svg", $svg);
        push @{ $plots{$topic}{$place} }, "![]($beside/$name.svg)\n";
    }
    copy($results, "$directory/results.tsv") or die "can't copy $results: $!\n" if $results ne "$directory/results.tsv";
    my $text = "# Benchmarks\n\nWritten by `" . ($about{command} || 'make bench') . "`, which measures, prints the same tables, and draws the plots from the same\n"
        . "figures ([results.tsv]($beside/results.tsv)). Servers and clients take turns; ratios are taken round by round, ours to theirs, and their median\n"
        . "stands with the least and the most. Absolute figures wander on a shared machine. How it is done, and what was tried: [performance.md](performance.md).\n\n";
    $text .= join '', map { "- $_: $about{$_}\n" } grep { $_ ne 'command' } sort keys %about;
    $text .= "\n## What was asked\n\n" . markdown(targets());
    $text .= "\nThe bare one: what the bare server, or Perl's bare built-ins with it, come to beside the same peer on one CPU.\n";
    for my $topic (grep { $result{ $_->[0] } } @TOPICS) {
        my ($name, $title, $explanation) = @$topic;
        $text .= "\n## $title\n";
        $text .= "\n$explanation\n" if length $explanation;
        for my $place (grep { $result{$name}{$_} } @PLACES) {
            $text .= "\n### $PLACE{$place}\n" if $PLACE{$place};
            $text .= "\n" . markdown(table_of($name, $place));
            $text .= "\n$_" for @{ $plots{$name}{$place} || [] };
        }
    }
    write_file($page, $text);
    return;
}

sub write_file {
    my ($file, $text) = @_;
    open my $out, '>', $file or die "can't write $file: $!\n";
    print {$out} $text;
    close $out or die "can't write $file: $!\n";
    return;
}

# Instructions are the same on every run, so a change of them is one of the program.
sub compare {
    my ($earlier, $now) = @_;
    read_results($earlier);
    my $before = $result{instructions} || {};
    %result = ();
    read_results($now);
    for my $place (sort keys %{ $result{instructions} || {} }) {
        for my $cell (sort keys %{ $result{instructions}{$place} }) {
            my ($was, $is) = map { $_->{$place}{$cell}{broker}{instructions} } $before, $result{instructions};
            next if !$was || !$is;
            printf "  Instructions for a call, %s: %s, before: %s (%+.1f %%)\n", $cell, figure($is->[0]), figure($was->[0]),
                ($is->[0] / $was->[0] - 1) * 100;
        }
    }
    return;
}

if (@ARGV == 3 && $ARGV[0] eq '--compare') {
    compare(@ARGV[1, 2]);
}
elsif (@ARGV == 1 || @ARGV == 3) {
    read_results($ARGV[0]);
    @ARGV == 3 ? write_page(@ARGV) : show();
}
else {
    die "usage: report.pl RESULTS [PAGE DIRECTORY] | --compare EARLIER RESULTS\n";
}
