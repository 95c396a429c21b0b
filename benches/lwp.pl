#!/usr/bin/env perl
# LWP::UserAgent, whichever is found: requests and megabytes per second. Run by benches/http.pl, with the stand-in and with the
# original. Prints names and figures for it to compare.
use strict;
use warnings;
use lib 'benches';

use LWP::UserAgent;
use Rate;

my ($seconds, $authority, $directory, %url) = @ARGV;

sub rate { return Rate::report($seconds, @_) }

sub expect {
    my ($response) = @_;
    die $response->status_line . "\n" if !$response->is_success || $response->header('X-Died');
    return;
}

for my $scheme (qw(http https)) {
    my @options = (ssl_opts => { SSL_ca_file => $authority });
    my $ua = LWP::UserAgent->new(@options);
    rate("$scheme, small bodies, /s", 1, sub { expect($ua->get("$url{$scheme}/small.bin")) });
    my $keeping = LWP::UserAgent->new(@options, keep_alive => 1);
    rate("$scheme, small bodies, keep_alive, /s", 1, sub { expect($keeping->get("$url{$scheme}/small.bin")) });
    rate("$scheme, 100 MiB into memory, MiB/s", 100, sub { expect($ua->get("$url{$scheme}/large.bin")) });
    rate("$scheme, 100 MiB into a file, MiB/s", 100, sub { expect($ua->get("$url{$scheme}/large.bin", ':content_file' => "$directory/got")) });
}

# Whole scripts, by the CPU that they take: as many as a second of it is good for.
my @found = map { "-I$_" } grep { m{\Aperl/} } @INC;
for my $scheme (qw(http https)) {
    my @before = (times)[2, 3];
    my ($count, $took) = (0, 0);
    while ($took < $seconds) {
        system($^X, @found, 'benches/one_get.pl', "$url{$scheme}/small.bin", $authority) == 0 or die "a script with one get failed\n";
        my @now = (times)[2, 3];
        $took = $now[0] + $now[1] - $before[0] - $before[1];
        $count++;
    }
    printf "%s, scripts with one get, a CPU second\t%.1f\n", $scheme, $count / $took;
}
