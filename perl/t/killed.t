# A thousand scripts, killed at whatever they were doing: the broker is as it was.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use CPANBridge;
use POSIX ();
use TestBroker;
use Time::HiRes qw(usleep);

use constant SCRIPTS => 1000;
my $broker = TestBroker->start('--log-level', 'warning');
my $watch = CPANBridge->new(socket => $broker->socket_path);
my $innocent = CPANBridge->new(socket => $broker->socket_path);
$watch->call('test.sleep', { seconds => 0 });
my $descriptors = sub { opendir my $all, '/proc/' . $broker->pid . '/fd' or die $!; my @all = readdir $all; return scalar @all };
my $before = $descriptors->();

my %running;
my ($started, $killed, $served) = (0, 0, 0);
my @longest = (0, 200, 1000, 5000);
while ($killed < SCRIPTS) {
    while ($started < SCRIPTS && keys %running < 20) {
        my $pid = fork;
        die "fork: $!" if !defined $pid;
        if (!$pid) {
            my $bridge = CPANBridge->new(socket => $broker->socket_path);
            while (1) {
                my $id = $bridge->call('crypto.new', { key => 'a key' })->{cipher_id};
                $bridge->call('crypto.encrypt', { cipher_id => $id, plaintext => 'x' x 10_000 });
                $bridge->send_call('test.sleep', { seconds => 0.01 });
                $bridge->pipeline(map { ['test.echo', { n => $_ }] } 1 .. 20);
                $bridge->call('crypto.cleanup_cipher', { cipher_id => $id });
            }
        }
        $running{$pid} = 1;
        $started++;
    }
    my ($pid) = keys %running;
    usleep(int rand $longest[$started % @longest]);
    kill 'KILL', $pid;
    waitpid $pid, 0;
    delete $running{$pid};
    $killed++;
    $served++ if $innocent->call('test.echo', { n => $killed })->{n} == $killed;
}
is($served, SCRIPTS, 'an innocent script was served all the time');
ok(TestBroker::eventually(sub { $watch->call('system.connections')->{active_connections} == 2 }), 'their connections are gone');
ok(TestBroker::eventually(sub {
    my $workers = $watch->call('system.health')->{checks}{workers}{details};
    return $workers->{busy} == 0 && $workers->{queued} == 0;
}), 'their calls are over');
is($watch->call('system.health')->{checks}{daemon_running}{status}, 'pass', 'no defect came to light');
cmp_ok($descriptors->(), '<=', $before + 1, 'no descriptor is left');
my $ciphers = $watch->call('system.metrics')->{handle_summary}{cipher} || 0;
cmp_ok($ciphers, '<=', SCRIPTS, "what they made and could not free ($ciphers ciphers) ends when it was not used for long");

done_testing;
