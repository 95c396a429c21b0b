#!/usr/bin/env perl
# Works a broker for some minutes as a host full of scripts does, and looks what is left: memory, descriptors, handles. Fails if one of
# them has grown, or if a script failed. Run by `make soak MINUTES=60`.
#
# A reload begins a new life, and what an earlier one had lost is given back with it. So the broker is reloaded every minute in the
# first half, which shows what is handed on and grows, and not in the second, which shows what grows within one life.
#
# What an allocator keeps goes up and down by some megabytes with what it was asked for last. So it is looked many times, each time
# when every script has ended, and of each half the middle of the last looks is held against the middle of the first.
use strict;
use warnings;
use lib 'perl/t/lib', 'perl/lib', 'perl/compat';

use CPANBridge;
use CPANBridge::HTTP;
use Crypt::CBC;
use TestBroker;
use TestWeb;
use List::Util qw(min);
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

# Megabytes that the broker has taken. Pages of its program come and go with what the kernel has room for.
sub anonymous_memory {
    my $path = '/proc/' . $broker->pid . '/status';
    open my $status, '<', $path or die "$path: $!\n";
    my ($kilobytes) = map { /^RssAnon:\s+(\d+)/ } <$status>;
    return $kilobytes / 1024;
}

sub figures {
    my $metrics = $watch->call('system.metrics');
    return (anonymous_memory(), $metrics->{resource_status}{open_fds}, $metrics->{handle_summary},
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
    # What was freed is given back after some seconds.
    sleep 12;
    return figures();
}

my $start = time;
my $end = $start + 60 * $minutes;
my $half = $start + 30 * $minutes;
# Twenty looks, and only every other minute in a short run.
my $between = 3 * $minutes > 120 ? 3 * $minutes : 120;
my $next_look = $start + $between;
my (%seen, %running);
my ($next, $scripts, $failed, $reloads) = (0, 0, 0, 0);
sub gone {
    my ($pid) = @_;
    delete $running{$pid} or return;
    $scripts++;
    $failed++ if $? >> 8;
    return;
}

# What is left when every script has ended.
sub look {
    waitpid($_, 0) && gone($_) for keys %running;
    my $during = time < $half + $between ? 'reloads' : 'one life';
    my @figures = settled();
    report($during, @figures);
    push @{ $seen{$during} }, \@figures;
    return;
}

# A key has to outlive every reload.
sub reload {
    my $id = $watch->call('crypto.new', { cipher => 'AES-256-GCM', key => 'f0' x 32 })->{cipher_id};
    my $hex = $watch->call('crypto.encrypt', { cipher_id => $id, plaintext => 'kept' })->{encrypted};
    eval { $watch->call('system.reload'); $reloads++; 1 } or print "no reload: $@";
    my $text = $watch->call('crypto.decrypt', { cipher_id => $id, hex_ciphertext => $hex })->{decrypted};
    die "a key was lost\n" if $text ne 'kept';
    $watch->call('crypto.cleanup_cipher', { cipher_id => $id });
    return;
}

while (time < $end) {
    my @names = sort keys %kind;
    while (keys %running < 6) {
        my $name = $names[rand @names];
        my $pid = fork;
        die "fork: $!" if !defined $pid;
        if (!$pid) {
            my $done = eval { $kind{$name}->(); 1 };
            print "$name: $@" if !$done;
            # Objects end with the script, and tell the broker.
            exit($done ? 0 : 1);
        }
        $running{$pid} = $name;
    }
    gone(wait);
    if (time > $next_look) {
        look();
        $next_look += $between;
    }
    if (time > $next) {
        report(sprintf('%d s left', $end - time), figures());
        reload() if time < $half;
        $next = time + 60;
    }
}
look();
print "$scripts scripts, $failed failed; $reloads reloads\n";

# The middle of a column of figures.
sub middle {
    my ($column, @looks) = @_;
    my @values = sort { $a <=> $b } map { $_->[$column] } @looks;
    return $values[@values / 2];
}

my @grown;
for my $during (sort keys %seen) {
    my @looks = @{ $seen{$during} };
    # The first look of a half comes before all is allocated that is allocated once and kept.
    shift @looks if @looks > 3;
    my $some = min(3, int @looks / 2) or push(@grown, "$during: too few looks"), next;
    my ($memory, $more_memory) = map { middle(0, @looks[@$_]) } [0 .. $some - 1], [-$some .. -1];
    my ($open, $more_open) = map { middle(1, @looks[@$_]) } [0 .. $some - 1], [-$some .. -1];
    push @grown, sprintf '%s: memory %.1f to %.1f MB', $during, $memory, $more_memory if $more_memory > $memory * 1.1 + 2;
    push @grown, "$during: descriptors $open to $more_open" if $more_open > $open + 2;
    push @grown, "$during: handles are left" if grep { %{ $_->[2] } } @looks;
}
push @grown, "$failed scripts failed" if $failed;
print @grown ? 'NOT FLAT: ' . join('; ', @grown) . "\n" : "flat\n";
exit(@grown ? 1 : 0);
