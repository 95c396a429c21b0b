#!/usr/bin/env perl
# Works a broker for some minutes as a host full of scripts does, and then looks what is left: memory, descriptors, handles.
# Fails if one of them has grown. Run by `make soak MINUTES=60`.
use strict;
use warnings;
use lib 'perl/t/lib', 'perl/lib', 'perl/compat';

use CPANBridge;
use CPANBridge::HTTP;
use Crypt::CBC;
use TestBroker;
use TestWeb;
use Time::HiRes qw(time sleep);

my $minutes = shift || 60;
my $broker = TestBroker->start('--log-level', 'warning', '--stale-timeout', '20s');
my $web = TestWeb->start;
$ENV{CPAN_BRIDGE_SOCKET} = $broker->socket_path;
my $watch = CPANBridge->new;

# What scripts do; each works until it is over.
my %kind = (
    'one call, one connection' => sub {
        my ($over) = @_;
        my $bridge = CPANBridge->new(persistent => 0);
        $bridge->call('test.echo', { n => $_ }) for 1 .. 100;
    },
    'many calls at once' => sub { my $bridge = CPANBridge->new; $bridge->pipeline(map { ['test.echo', { n => $_ }] } 1 .. 1000) },
    'ciphers' => sub {
        my $bridge = CPANBridge->new;
        my $id = $bridge->call('crypto.new', { key => 'a key', cipher => (qw(AES Blowfish))[rand 2] })->{cipher_id};
        for (1 .. 50) {
            my $hex = $bridge->call('crypto.encrypt', { cipher_id => $id, plaintext => 'x' x rand 5000 })->{encrypted};
            $bridge->call('crypto.decrypt', { cipher_id => $id, hex_ciphertext => $hex });
        }
        $bridge->call('crypto.cleanup_cipher', { cipher_id => $id });
    },
    'streams' => sub {
        my $cipher = Crypt::CBC->new(-pass => 'secret', -pbkdf => 'pbkdf2', -cipher => 'Cipher::AES');
        $cipher->start('encrypting');
        $cipher->crypt('x' x 100_000) for 1 .. 20;
        $cipher->finish;
    },
    'requests' => sub {
        my $http = CPANBridge::HTTP->new(timeout => 30);
        $http->get($web->url($_)) for '/status/200', '/bytes/2000000', '/redirect/302/status/404', '/chunked', '/cut';
    },
    'nonsense' => sub {
        my $bridge = CPANBridge->new;
        eval { $bridge->call($_->[0], $_->[1]) } for ['no.such', {}], ['crypto.encrypt', { cipher_id => 'x' }], ['test.echo', { a => [1 .. 1000] }];
    },
    'killed' => sub { my $bridge = CPANBridge->new; $bridge->send_call('test.sleep', { seconds => 1 }); kill 'KILL', $$ },
);

sub figures {
    my $metrics = $watch->call('system.metrics');
    return ($metrics->{resource_status}{memory_mb}, $metrics->{resource_status}{open_fds}, $metrics->{handle_summary},
        $metrics->{system_stats}{requests_processed}, $metrics->{connection_summary}{active_connections});
}

sub report {
    my ($when, $memory, $descriptors, $handles, $requests) = @_;
    printf "%8s  %8.1f MB  %5d descriptors  %s  %d calls\n", $when, $memory, $descriptors,
        join(', ', map { "$handles->{$_} $_" } sort keys %$handles) || 'no handles', $requests;
    return;
}

sub settled {
    TestBroker::eventually(sub { (figures())[4] == 1 && !%{ (figures())[2] } }) or print "not settled\n";
    return figures();
}

my $end = time + 60 * $minutes;
# What is allocated once and kept is there after a tenth of the time.
my $warm = time + 6 * $minutes;
my (@before, %running);
my $next = 0;
while (time < $end) {
    my @names = sort keys %kind;
    while (keys %running < 6) {
        my $name = $names[rand @names];
        my $pid = fork;
        die "fork: $!" if !defined $pid;
        if (!$pid) {
            eval { $kind{$name}->() };
            # Objects end with the script, and tell the broker.
            exit 0;
        }
        $running{$pid} = $name;
    }
    my $pid = wait;
    delete $running{$pid};
    if (!@before && time > $warm) {
        waitpid $_, 0 for keys %running;
        %running = ();
        @before = settled();
        report('warm', @before);
    }
    if (time > $next) {
        report(sprintf('%d s left', $end - time), figures());
        $next = time + 60;
    }
}
waitpid $_, 0 for keys %running;
my @after = settled();
report('end', @after);
my @grown;
push @grown, sprintf 'memory: %.1f to %.1f MB', $before[0], $after[0] if $after[0] > $before[0] * 1.1 + 2;
push @grown, "descriptors: $before[1] to $after[1]" if $after[1] > $before[1] + 2;
push @grown, 'handles are left' if %{ $after[2] };
print @grown ? "GROWN: @grown\n" : "flat\n";
exit(@grown ? 1 : 0);
