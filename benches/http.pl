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

my ($seconds, $rounds, $load, $socket, $quiet_socket) = @ARGV;
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
    my $arguments = join ' ', 'benches/lwp.pl', $seconds, $nginx->{ca}, tempdir(CLEANUP => 1),
        map { $_ => $nginx->$_('') } qw(http https);
    my @contestants = ('stand-in', "$^X -Iperl/lib -Iperl/compat $arguments");
    if (system "$^X -MLWP::Protocol::https -e1 2>/dev/null") {
        print {*STDERR} "  (libwww-perl and LWP::Protocol::https are not installed: no comparison)\n";
    }
    else {
        push @contestants, 'original', "$^X $arguments";
    }
    system $^X, 'benches/turns.pl', 'http', 'here', $rounds, @contestants;
}
else {
    print {*STDERR} "  (nginx is not installed: no comparison with LWP)\n";
}

# --- Small calls beside transfers that take their time, and beside none
my $listener = IO::Socket::INET->new(Listen => 100, LocalAddr => '127.0.0.1', LocalPort => 0) or die "no server: $!";
my $slow = 'http://127.0.0.1:' . $listener->sockport . '/';
my @open;
for (1 .. 50) {
    my $bridge = CPANBridge->new(timeout => 600);
    $bridge->send_call('http_helper.get', { url => $slow }, timeout => 600);
    push @open, $bridge, my $client = $listener->accept;
    print {$client} "HTTP/1.1 200 OK\015\012Content-Length: 1000\015\012\015\012a";
    $client->flush;
}
system $load, "beside:broker=$socket", "alone:broker=$quiet_socket", '--topic', 'beside', '--place', 'here', '--rounds', $rounds,
    '--seconds', $seconds, '--connections', '1,50', '--in-flight', 1;
