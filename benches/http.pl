#!/usr/bin/env perl
# The stand-in for LWP::UserAgent beside the original, against a local nginx; and how promptly the broker answers while
# transfers run. Run by benches/run.sh.
use strict;
use warnings;
use lib 'perl/t/lib', 'perl/lib';

use CPANBridge;
use File::Temp qw(tempdir);
use IO::Socket::INET;
use TestNginx;

my ($seconds, $load, $socket) = @ARGV;
# The tests' modules let nothing of the environment through.
$ENV{CPAN_BRIDGE_SOCKET} = $socket;
delete @ENV{grep { /_proxy\z/i || /\APERL_LWP_|\AHTTPS_/ } keys %ENV};

if (my $nginx = TestNginx->start) {
    my $www = $nginx->directory;
    for my $file (['small.bin', 100], ['large.bin', 100 << 20]) {
        open my $out, '>', "$www/$file->[0]" or die $!;
        print {$out} 'x' x $file->[1];
        close $out or die $!;
    }
    my @arguments = ('benches/lwp.pl', $seconds, $nginx->{ca}, tempdir(CLEANUP => 1), map { $_ => $nginx->$_('') } qw(http https));
    my $measure = sub {
        my (@include) = @_;
        open my $from, '-|', $^X, @include, @arguments or die $!;
        return map { chomp; [split /\t/] } readline $from;
    };
    my @ours = $measure->('-Iperl/lib', '-Iperl/compat');
    my $is_there = !system "$^X -MLWP::Protocol::https -e1 2>/dev/null";
    print "  (libwww-perl and LWP::Protocol::https are not installed: no comparison)\n" if !$is_there;
    my %original = $is_there ? map { @$_ } $measure->() : ();
    for my $line (@ours) {
        my ($name, $figure) = @$line;
        printf "  %-36s %10.1f", $name, $figure;
        printf "   original %10.1f   ratio %6.2f", $original{$name}, $figure / $original{$name} if $original{$name};
        print "\n";
    }
}
else {
    print "  (nginx is not installed: no comparison with LWP)\n";
}

# --- Pings beside transfers that take their time
my $listener = IO::Socket::INET->new(Listen => 100, LocalAddr => '127.0.0.1', LocalPort => 0) or die "no server: $!";
my $slow = 'http://127.0.0.1:' . $listener->sockport . '/';
my @bridges = map { CPANBridge->new(timeout => 600) } 1 .. 50;
for my $name ('alone', 'beside 50 slow transfers') {
    my @open;
    if ($name ne 'alone') {
        for my $bridge (@bridges) {
            $bridge->send_call('http_helper.get', { url => $slow }, timeout => 600);
            push @open, my $client = $listener->accept;
            print {$client} "HTTP/1.1 200 OK\015\012Content-Length: 1000\015\012\015\012a";
            $client->flush;
        }
    }
    print "  test.echo $name: ", scalar qx{$load --seconds $seconds --socket $socket --connections 1 --in-flight 1};
    print "    50 connections: ", scalar qx{$load --seconds $seconds --socket $socket --connections 50 --in-flight 1};
}
