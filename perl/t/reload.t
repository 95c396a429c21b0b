# The broker's program is replaced again and again under scripts that do not know of it.
use strict;
use warnings;
use lib 'perl/t/lib', 'perl/lib';
use Test::More;
use CPANBridge;
use POSIX ();
use TestBroker;

use constant { RELOADS => 15, SCRIPTS => 6 };
my $broker = TestBroker->start('--log-level', 'info');
my $socket = $broker->socket_path;
my $watch = CPANBridge->new(socket => $socket, persistent => 1);
my $id = $watch->call('crypto.new', { cipher => 'AES-256-GCM', key => '5a' x 32 })->{cipher_id};
my $sealed = $watch->call('crypto.encrypt', { cipher_id => $id, plaintext => 'sealed before' })->{encrypted};

# What a script does until it is told to end; dies with the first thing that is not as it should be.
sub work {
    my ($number, $told_to_end) = @_;
    my $bridge = CPANBridge->new(socket => $socket, persistent => $number % 2);
    my $own = $bridge->call('crypto.new', { key => "key of $number", cipher => $number % 3 ? 'Blowfish' : 'AES' })->{cipher_id};
    my $first = $bridge->call('crypto.encrypt', { cipher_id => $own, plaintext => 'first' })->{encrypted};
    my $rounds = 0;
    until ($told_to_end->()) {
        my $text = 'text ' . $rounds++ . 'x' x ($rounds % 7 ? 10 : 20_000);
        my $got = $bridge->call('crypto.encrypt', { cipher_id => $own, plaintext => $text })->{encrypted};
        $bridge->call('crypto.decrypt', { cipher_id => $own, hex_ciphertext => $got })->{decrypted} eq $text or die 'another text';
        $bridge->call('crypto.decrypt', { cipher_id => $own, hex_ciphertext => $first })->{decrypted} eq 'first' or die 'lost';
        $bridge->call('crypto.decrypt', { cipher_id => $id, hex_ciphertext => $sealed })->{decrypted} eq 'sealed before' or die 'lost';
        my @answers = $bridge->pipeline(map { ['test.echo', { n => $_ }] } 1 .. 50);
        $answers[$_]{n} == $_ + 1 or die 'out of order' for 0 .. 49;
        $bridge->call('test.sleep', { seconds => 0.002 });
    }
    $bridge->call('crypto.cleanup_cipher', { cipher_id => $own });
    return $rounds;
}

pipe my $end_read, my $end_write or die $!;
my %scripts;
for my $number (1 .. SCRIPTS) {
    pipe my $from, my $to or die $!;
    my $pid = fork;
    die $! if !defined $pid;
    if (!$pid) {
        close $end_write;
        my $told_to_end = sub { my $ready = ''; vec($ready, fileno $end_read, 1) = 1; select $ready, undef, undef, 0 };
        my $rounds = eval { work($number, $told_to_end) };
        syswrite $to, defined $rounds ? "$rounds rounds" : "failed: $@";
        POSIX::_exit(0);
    }
    $scripts{$pid} = $from;
}
for my $round (1 .. RELOADS) {
    my $before = $watch->call('test.stats')->{requests_processed};
    TestBroker::eventually(sub { $watch->call('test.stats')->{requests_processed} > $before + 300 }) or die 'no calls in between';
    if ($round % 3) {
        is($watch->call('system.reload')->{reloads}, $round, "reload $round");
    } else {
        kill 'USR2', $broker->pid;
        ok(TestBroker::eventually(sub { $watch->call('system.info')->{reloads} == $round }), "reload $round, by signal");
    }
}
close $end_write;
for my $pid (sort keys %scripts) {
    my $said = readline $scripts{$pid};
    waitpid $pid, 0;
    like($said, qr/^[1-9]\d* rounds$/, 'a script noticed nothing');
}
is($watch->call('test.stats')->{requests_failed}, 0, 'no call failed');
is($watch->call('system.info')->{pid}, $broker->pid, 'in the same process');
is($watch->call('crypto.decrypt', { cipher_id => $id, hex_ciphertext => $sealed })->{decrypted}, 'sealed before', 'no key was lost');

my $said = `$ENV{CPAN_BRIDGE_BIN} reload --socket '$socket' 2>&1`;
like($said, qr/^Reloaded: version \S+ in place of \S+, with 2 connections and 1 handle; handing over held calls up for \d+ ms$/, 'the command says so');
my $none = `$ENV{CPAN_BRIDGE_BIN} reload --socket '$socket.none' 2>&1`;
is($? >> 8, 3, 'the command fails where no broker is');
like($none, qr/no such socket; start one there with/, 'and says what to do');

done_testing;
