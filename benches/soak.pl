#!/usr/bin/env perl
# Works a broker for some minutes as a host full of scripts does, and looks what is left: memory, descriptors, handles. Fails if one of
# them has grown, or if a script failed. Run by `make soak MINUTES=60`.
#
# Each third of the time asks something else:
#
# - reloads: all kinds of scripts at once, and a reload every minute. What grows from life to life is what is handed on; it is looked
#   for right after one more reload, when no script is there and the new life has done nothing yet.
# - each kind of script alone, in a life of its own: who loses memory is named, with bytes a call.
# - one life: all kinds at once, without a reload.
#
# Each look waits twelve seconds, so that a run takes ten minutes at least.
#
# What an allocator keeps goes up and down by some megabytes with what it was asked for last, between two levels often. So it has grown
# if even the least of the last looks is more than the most of the first ones; what is lost raises every look that comes later.
use strict;
use warnings;
use lib 'perl/t/lib', 'perl/lib', 'perl/compat';

use CPANBridge;
use CPANBridge::HTTP;
use Crypt::CBC;
use TestBroker;
use TestWeb;
use List::Util qw(max min);
use Time::HiRes qw(time sleep);

# What was freed is given back after some seconds.
use constant SETTLING => 12;

my $minutes = shift || 60;
my $broker = TestBroker->start('--log-level', 'warning', '--stale-timeout', '20s');
my $web = TestWeb->start;
$ENV{CPAN_BRIDGE_SOCKET} = $broker->socket_path;
my $watch = CPANBridge->new;

# What scripts do; each works until it is over.
my %kind = (
    'one call, one connection' => sub {
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
    printf "%-26s  %6.1f MB  %5d descriptors  %s  %d calls\n", $when, $memory, $descriptors,
        join(', ', map { "$handles->{$_} $_" } sort keys %$handles) || 'no handles', $requests;
    return;
}

sub settled {
    TestBroker::eventually(sub { (figures())[4] == 1 && !%{ (figures())[2] } }) or print "not settled\n";
    sleep SETTLING;
    return figures();
}

my ($scripts, $failed, $reloads) = (0, 0, 0);
my (%running, @grown);

# Scripts of these kinds, until so many run; returns when one of them has ended.
sub keep_running {
    my ($at_once, @names) = @_;
    while (keys %running < $at_once) {
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
    return;
}

sub gone {
    my ($pid) = @_;
    delete $running{$pid} or return;
    $scripts++;
    $failed++ if $? >> 8;
    return;
}

sub work {
    my ($seconds, $at_once, @names) = @_;
    my $end = time + $seconds;
    keep_running($at_once, @names) while time < $end;
    return;
}

# What is left when every script has ended.
sub look {
    my ($when) = @_;
    waitpid($_, 0) && gone($_) for keys %running;
    my @figures = settled();
    report($when, @figures);
    return \@figures;
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

# Holds the last looks against the first. The very first comes before all is allocated that is allocated once and kept.
sub judge {
    my ($what, @looks) = @_;
    shift @looks if @looks > 3;
    my $some = min(3, int @looks / 2) or push(@grown, "$what: too few looks"), return;
    my ($memory, $descriptors) = (0, 1);
    my $first = [map { my $column = $_; max(map { $_->[$column] } @looks[0 .. $some - 1]) } $memory, $descriptors];
    my $last = [map { my $column = $_; min(map { $_->[$column] } @looks[-$some .. -1]) } $memory, $descriptors];
    push @grown, sprintf '%s: memory %.1f to %.1f MB', $what, $first->[0], $last->[0] if $last->[0] > $first->[0] * 1.1 + 1;
    push @grown, "$what: descriptors $first->[1] to $last->[1]" if $last->[1] > $first->[1] + 2;
    push @grown, "$what: handles are left" if grep { %{ $_->[2] } } @looks;
    my $calls = $looks[-1][3] - $looks[0][3];
    printf "%s: %.1f to %.1f MB, %.2f bytes a call\n", $what, $first->[0], $last->[0],
        $calls > 0 ? ($last->[0] - $first->[0]) * 2**20 / $calls : 0;
    return;
}

my @names = sort keys %kind;
my $third = 20 * $minutes;

sub try_reloads {
    my $end = time + $third;
    my @looks;
    do {
        for (1 .. ($minutes < 15 ? 1 : 3)) {
            work($minutes < 15 ? 15 : 40, 6, @names);
            reload();
        }
        look('under way');
        reload();
        my @figures = figures();
        report('reloaded', @figures);
        push @looks, \@figures;
    } while time < $end;
    judge('reloads', @looks);
    return;
}

sub try_alone {
    my ($name) = @_;
    reload();
    my $looks = 5;
    my $seconds = max(5, $third / @names / $looks - SETTLING);
    my @looks = map { work($seconds, 4, $name); look($name) } 1 .. $looks;
    judge($name, @looks);
    return;
}

sub try_one_life {
    reload();
    my $end = time + $third;
    my @looks;
    do {
        work($minutes < 15 ? 15 : 120, 6, @names);
        push @looks, look('one life');
    } while time < $end;
    judge('one life', @looks);
    return;
}

try_reloads();
try_alone($_) for @names;
try_one_life();
print "$scripts scripts, $failed failed; $reloads reloads\n";
push @grown, "$failed scripts failed" if $failed;
print @grown ? 'NOT FLAT: ' . join('; ', @grown) . "\n" : "flat\n";
exit(@grown ? 1 : 0);
