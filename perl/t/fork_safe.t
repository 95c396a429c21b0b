# After a fork the child has a connection of its own, and the parent's is untouched.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use CPANBridge;
use TestBroker;

my $broker = TestBroker->start;
my $bridge = CPANBridge->new(socket => $broker->socket_path);
$bridge->call('test.echo', { n => 0 });
my $before = $bridge->call('system.connections')->{connections}[0]{connection_id};
my $pending = $bridge->send_call('test.sleep', { seconds => 0.2 });

my @children;
for my $number (1 .. 5) {
    pipe my $read, my $write or die;
    my $pid = fork;
    die if !defined $pid;
    if (!$pid) {
        close $read;
        my @seen = map { $bridge->call('test.echo', { n => $number * 1000 + $_ })->{n} } 1 .. 200;
        my $wrong = grep { $seen[$_ - 1] != $number * 1000 + $_ } 1 .. 200;
        my $lost = eval { $bridge->wait_for($pending); 1 } ? 'got it' : $@->code;
        syswrite $write, "$wrong $lost";
        require POSIX;
        POSIX::_exit(0);
    }
    close $write;
    push @children, [$pid, $read];
}
my @mine = map { $bridge->call('test.echo', { n => $_ })->{n} } 1 .. 200;
is_deeply(\@mine, [1 .. 200], "the parent's answers are the parent's");
for my $child (@children) {
    my ($pid, $read) = @$child;
    sysread $read, my $said, 100;
    waitpid $pid, 0;
    is($said, '0 lost', "a child's answers are its own, and the parent's call is not");
}
ok($bridge->wait_for($pending)->{slept}, "the parent's call under way is answered to the parent");
my $connections = $bridge->call('system.connections')->{connections};
is_deeply([map { $_->{connection_id} } @$connections], [$before], 'on the connection it always had; no other is left');

done_testing;
