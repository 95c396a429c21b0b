# Threads that share an object, which was connected before they were made, share neither its socket nor its answers.
use strict;
use warnings;
use Config;
BEGIN {
    if (!$Config{useithreads}) {
        print "1..0 # SKIP this perl has no threads\n";
        exit 0;
    }
}
use threads;
use FindBin;
use lib "$FindBin::Bin/lib", "$FindBin::Bin/../compat";
use Test::More;
use CPANBridge;
use Crypt::CBC;
use TestBroker;

my $broker = TestBroker->start;
my @warnings;
local $SIG{__WARN__} = sub { push @warnings, @_ };

for my $persistent (1, 0) {
    my $bridge = CPANBridge->new(socket => $broker->socket_path, timeout => 30, persistent => $persistent);
    $bridge->call('test.echo', { n => $_ }) for 1 .. 3;
    my $before = $bridge->call('system.info')->{pid};
    my $pending = $bridge->send_call('test.sleep', { seconds => 0.5 });
    my @threads = map {
        my $number = $_;
        threads->create({ context => 'list' }, sub {
            my $lost = eval { $bridge->wait_for($pending); 1 } ? 'got it' : $@->code;
            my $wrong = 0;
            for my $n (1 .. 100) {
                my $answer = eval { $bridge->call('test.echo', { n => $number * 1000 + $n })->{n} };
                $wrong++ if !defined $answer || $answer != $number * 1000 + $n;
                my $result = $bridge->call_python('test', 'echo', { n => -$number * 1000 - $n });
                $wrong++ if !$result->{success} || $result->{n} != -$number * 1000 - $n;
            }
            my @results = $bridge->pipeline(map { ['test.echo', { n => $number * 1000 + $_ }] } 1 .. 50);
            $wrong += grep { ref $results[$_ - 1] ne 'HASH' || $results[$_ - 1]{n} != $number * 1000 + $_ } 1 .. 50;
            my @tickets = map { $bridge->send_call('test.echo', { n => $number * 1000 + $_ }) } 1 .. 20;
            $wrong += grep { $bridge->wait_for($tickets[$_ - 1])->{n} != $number * 1000 + $_ } 1 .. 20;
            return ($wrong, $lost);
        });
    } 1 .. 24;
    my @mine = map { $bridge->call('test.echo', { n => $_ })->{n} } 1 .. 300;
    my @said = map { join ' ', $_->join } @threads;
    is_deeply(\@said, [('0 lost') x 24], 'each of 24 threads gets its own answers, and not the one that the first asked for');
    is_deeply(\@mine, [1 .. 300], 'and so does the first');
    ok($bridge->wait_for($pending)->{slept}, 'whose call under way is answered');
    is($bridge->call('test.echo', { n => 7 })->{n}, 7, 'and whose connection is good');
}

{
    # A thread that a thread makes.
    my $bridge = CPANBridge->new(socket => $broker->socket_path);
    $bridge->call('test.echo', { n => 0 }) for 1 .. 3;
    my @said = threads->create({ context => 'list' }, sub {
        $bridge->call('test.echo', { n => 1 }) for 1 .. 3;
        my $inner = threads->create({ context => 'scalar' }, sub { my $wrong = 0; $bridge->call('test.echo', { n => $_ })->{n} == $_ or $wrong++ for 1 .. 100; return $wrong });
        my $wrong = 0;
        $bridge->call('test.echo', { n => -$_ })->{n} == -$_ or $wrong++ for 1 .. 100;
        return ($wrong, $inner->join);
    })->join;
    is_deeply(\@said, [0, 0], 'a thread of a thread neither');
}

{
    # What stands for state in the broker is the thread's that made it.
    local $ENV{CPAN_BRIDGE_SOCKET} = $broker->socket_path;
    my $new = sub { Crypt::CBC->new(-key => 'k' x 32, -literal_key => 1, -header => 'none', -iv => 'i' x 16, -cipher => 'Cipher::AES') };
    my $whole = $new->()->encrypt('x' x 100);
    my $cipher = $new->();
    $cipher->start('encrypting');
    my $made = $cipher->crypt('x' x 50);
    my $said = threads->create({ context => 'scalar' }, sub {
        my $died = eval { $cipher->crypt('y' x 50); '' } || $@;
        # Of its own it may have as many as it likes.
        my $own = $new->();
        $own->start('encrypting');
        my $text = $own->crypt('x' x 50) . $own->crypt('x' x 50) . $own->finish;
        return $text eq $whole ? $died : 'wrong';
    })->join;
    like($said, qr/belongs to the process or thread that made it.* at \Q${\ __FILE__}\E line /, 'a thread does not go on with a chain of the first');
    is($made . $cipher->crypt('x' x 50) . $cipher->finish, $whole, 'which goes on when the thread has ended');
}
{
    # What a thread made ends with it, also what it left to the end of the thread.
    local $ENV{CPAN_BRIDGE_SOCKET} = $broker->socket_path;
    require CPANBridge::HTTP;
    my $bridge = CPANBridge->new;
    my $count = sub { scalar @{ $bridge->call('system.handles') } };
    my $before = $count->();
    my $http = CPANBridge::HTTP->new;
    threads->create(sub { $http->get('http://127.0.0.1:1/'); CPANBridge::HTTP->new->get('http://127.0.0.1:1/'); return })->join for 1 .. 3;
    my $until = time + 10;
    my $after = $count->();
    while ($after > $before && time < $until) {
        select undef, undef, undef, 0.02;
        $after = $count->();
    }
    is($after, $before, 'what threads made over HTTP is gone with them');
}
is_deeply(\@warnings, [], 'no warning');

done_testing;
