#!/usr/bin/env perl
# What the broker is for, in one script: three requests that share a cipher, each on a connection of its own; then what is
# left of ten connections; then how fast it goes. `make demo` runs it against a broker of its own.
use strict;
use warnings;

use CPANBridge;
use Time::HiRes qw(time);

my $socket = shift @ARGV or die "usage: $0 SOCKET\n";
my $seconds = 1;

# One connection for each request: what scripts of the old client do.
sub one_shot { return CPANBridge->new(socket => $socket, persistent => 0) }

print "\nThree requests, each on a connection of its own:\n";
my $created = one_shot()->call_python('crypto', 'new', { key => 'a key of the demo', cipher => 'Blowfish' });
die "crypto.new: $created->{error}\n" if !$created->{success};
my $cipher = $created->{result}{cipher_id};
print "  crypto.new      cipher_id $cipher\n";

my $text = 'Hello from a script that has core Perl only';
my $encrypted = one_shot()->call_python('crypto', 'encrypt', { cipher_id => $cipher, plaintext => $text });
die "crypto.encrypt: $encrypted->{error}\n" if !$encrypted->{success};
print "  crypto.encrypt  $encrypted->{result}{encrypted}\n";

my $decrypted = one_shot()->call_python('crypto', 'decrypt',
    { cipher_id => $cipher, hex_ciphertext => $encrypted->{result}{encrypted} });
die "crypto.decrypt: $decrypted->{error}\n" if !$decrypted->{success};
my $back = pack 'H*', $decrypted->{result}{decrypted_hex};
print "  crypto.decrypt  $back\n";
die "the text did not come back\n" if $back ne $text;

print "\nTen more calls, each on a connection of its own:\n";
for my $number (1 .. 10) {
    my $pong = one_shot()->call_python('test', 'ping', { number => $number });
    die "test.ping: $pong->{error}\n" if !$pong->{success};
}
my $bridge = CPANBridge->new(socket => $socket);
my $seen = $bridge->call('system.connections', {});
printf "  %d connections so far; active now %d (this script's own), %d at the peak\n",
    @{$seen}{qw(connections_accepted active_connections peak_connections)};
die "a connection was left open\n" if $seen->{active_connections} != 1;

print "\nRequests per second (test.echo, about $seconds s each):\n";
my $client = one_shot();
rate('one-shot, a connection for each', 1, sub { $client->call('test.echo', {}) });
rate('persistent, one connection', 1, sub { $bridge->call('test.echo', {}) });
my @batch = (['test.echo', {}]) x 100;
rate('pipelined, 100 at a time', 100, sub { $bridge->pipeline(@batch) });

print "\nHealth:\n";
my $health = $bridge->call('system.health', {});
print "  overall: $health->{overall_status}\n";
printf "  %-20s %-5s %s\n", $_, @{ $health->{checks}{$_} }{qw(status message)} for sort keys %{ $health->{checks} };
print "\n";

sub rate {
    my ($what, $each, $work) = @_;
    my ($count, $begin) = (0, time);
    my $took = 0;
    while (($took = time - $begin) < $seconds) {
        $work->() for 1 .. 20;
        $count += 20 * $each;
    }
    return printf "  %-32s %8.0f\n", $what, $count / $took;
}
