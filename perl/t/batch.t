# A pipeline's fast way, without tickets, comes to what its other way comes to, whatever the broker answers and whoever comes in between.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use POSIX ();
use Test::More;
use Time::HiRes qw(setitimer ITIMER_REAL sleep);
use CPANBridge;
use CPANBridge::MessagePack;
use TestBroker;

# How often the fast way was taken.
my $BATCHES = 0;
CPANBridge::Parts::need();
{
    my $begin = \&CPANBridge::Batch::begin;
    no warnings 'redefine';
    *CPANBridge::Batch::begin = sub { my @batch = $begin->(@_); $BATCHES++ if @batch == 1; return wantarray ? @batch : $batch[0] };
}

my $COUNT = 6;
my $GOING = { code => 'unavailable', message => 'the broker is shutting down' };

sub packed { return CPANBridge::MessagePack->pack($_[0]) }
sub framed { return pack 'N/a*', packed($_[0]) }
# As a broker writes it: with a number of 32 bits.
sub answer { my ($msgid, $error, $result) = @_; return pack 'N/a*', "\x94\x01\xce" . pack('N', $msgid) . packed($error) . packed($result) }

# What a broker may send for the calls with these numbers: one piece a word, `2` for the answer to the second call.
sub piece {
    my ($word, @msgids) = @_;
    my ($kind, $which) = $word =~ /\A([a-z]*)([0-9]*)\z/ or die $word;
    my $msgid = length $which ? $msgids[$which - 1] : undef;
    my %made = (
        ''      => sub { answer($msgid, undef, { n => "$which", text => 'a few words' }) },
        nil     => sub { answer($msgid, undef, undef) },
        true    => sub { answer($msgid, undef, \1) },
        nested  => sub { answer($msgid, undef, { n => [$which, { deep => 1.5 }] }) },
        bytes   => sub { answer($msgid, undef, { n => "\xff\xfe$which" }) },
        wide    => sub { answer($msgid, undef, { n => "\x{20ac}$which" }) },
        large   => sub { answer($msgid, undef, { n => $which x 20_000 }) },
        huge    => sub { answer($msgid, undef, { n => $which x 300_000 }) },
        error   => sub { answer($msgid, { code => 'not_found', message => "no $which" }, undef) },
        short   => sub { framed([1, $msgid, undef, { n => "$which" }]) },
        none    => sub { answer($msgids[-1] + 1000, undef, { n => 'nobody' }) },
        news    => sub { framed([2, 'rpc.news', [{}]]) },
        step    => sub { framed([2, 'rpc.progress', [{ msgid => $msgid, done => 1 }]]) },
        word    => sub { framed([2, 'rpc.error', [{ code => 'overloaded', message => 'too much' }]]) },
        rubbish => sub { pack 'N/a*', 'rubbish' },
        empty   => sub { pack 'N', 0 },
        endless => sub { pack 'N', 0xffff_fff0 },
        cut     => sub { substr answer($msgid, undef, { n => "$which" }), 0, 20 },
        close   => sub { '' },
        going   => sub { answer($msgid, $GOING, undef) },
        lie     => sub { my $bytes = answer($msgid, undef, { n => "$which" }); substr $bytes, 3, 1, chr(3 + ord substr $bytes, 3, 1); $bytes },
    );
    return $made{$kind}->();
}

# A broker whose answers to each connection's calls after the first, $COUNT of them, are the words in the first one's parameters. A second
# connection is to a broker that answers all of them.
sub scripted {
    return TestBroker->fake(sub {
        my ($connection, $number) = @_;
        my $first = read_message($connection) or return;
        my ($words, $size) = @{ $first->[3] }{qw(words size)};
        syswrite $connection, answer($first->[1], undef, { ok => 'yes' });
        my @calls;
        while (@calls < $COUNT) {
            push @calls, read_message($connection) || return;
        }
        my @msgids = map { $_->[1] } @calls;
        my $bytes = join '', map { piece($_, @msgids) } split ' ', $words;
        for my $at (map { $size * $_ } 0 .. length($bytes) / $size) {
            syswrite $connection, substr $bytes, $at, $size;
            # So that the other side reads it in pieces.
            sleep 0.0005 if $size < 1000;
        }
        return if $words =~ /close/;
        while (my $call = read_message($connection)) {
            syswrite $connection, answer($call->[1], undef, { late => 'one' });
        }
    });
}

sub read_message { my $frame = TestBroker::read_frame($_[0]); return defined $frame ? CPANBridge::MessagePack->unpack($frame) : undef }

sub shown {
    return [map { CPANBridge::Error::is_one($_) ? join(': ', $_->code, $_->message) : $_ } @_];
}

# Both ways' results, and what the next call comes to.
sub outcome {
    my ($words, $size, @options) = @_;
    my $broker = scripted();
    my $bridge = CPANBridge->new(socket => $broker->socket_path, timeout => 0.5, retry_count => 0, answer_memory => 1 << 20);
    $bridge->call('x.first', { words => $words, size => $size });
    my @results = $bridge->pipeline(map { ["x.call$_", { text => "number $_" }, @options] } 1 .. $COUNT);
    # One connection after the other is served: an object whose connection is lost has no broker.
    my $next = eval { $bridge->call('x.next', {}, timeout => 0.3) } || $@;
    return { results => shown(@results), next => CPANBridge::Error::is_one($next) ? 'none' : $next, outstanding => scalar $bridge->{_cpanbridge}->has_outstanding };
}

my @words = (
    '1 2 3 4 5 6', '6 5 4 3 2 1', '1 2 2 3 4 5 6', '1 2 1 3 4 5 6', '1 none 2 3 4 5 6', '1 error2 3 4 5 6', 'error1 error2 3 4 5 error6', '1 nested2 3 4 nested5 6',
    'nil1 true2 bytes3 wide4 5 6', '1 large2 3 4 5 6', 'large1 2 3 4 large5 large6', 'short1 short2 3 4 5 6', 'news 1 2 step3 3 4 5 6 news', '1 2 3 4 5', '2 3 4 5 6',
    '1 2 3 close', 'close', '1 2 word close', '1 2 rubbish 3 4 5 6', '1 empty 2', '1 2 3 4 endless 5 6', '1 2 cut3', '1 2 cut3 close', '1 lie2 3 4 5 6', '1 2 huge3 4 5 6',
    '1 6 rubbish', '1 2 3 4 5 6 rubbish', '1 2 3 4 5 6 none 3 news',
);
srand(my $seed = $ENV{BATCH_SEED} || 20_261_130);
my @kinds = (('') x 12, qw(nil nested bytes large error short step none news));
push @words, join ' ', map { my $kind = $kinds[rand @kinds]; $kind =~ /none|news/ ? $kind : $kind . (1 + int rand $COUNT) } 1 .. 4 + rand 8 for 1 .. 12;
my ($turn, $TRIED) = (0, 0);
for my $words (@words) {
    # What waits for its time limit is tried in one of the two sizes.
    my %seen = map { $_ => 1 } $words =~ /([1-6])/g;
    my @sizes = $words =~ /large|huge/ ? 1 << 20 : keys %seen < $COUNT && $words !~ /close/ ? (7, 1 << 20)[$turn++ % 2] : (7, 1 << 20);
    for my $size (@sizes) {
        $TRIED++;
        is_deeply(outcome($words, $size), outcome($words, $size, timeout => 0.5), "$words, by $size bytes") or diag "seed $seed";
    }
}

is($BATCHES, $TRIED, 'one of the two was the fast way, each time');

# What a broker that is going refuses is the next one's, and only that.
{
    my $broker = TestBroker->fake(sub {
        my ($connection, $number) = @_;
        my $seen = 0;
        while (my $call = read_message($connection)) {
            syswrite $connection, $number == 1 && $seen > 2 && $seen != 4 ? answer($call->[1], $GOING, undef) : answer($call->[1], undef, { by => "$number", what => $call->[2], n => $call->[3]{n} });
            last if $number == 1 && $seen++ == $COUNT;
        }
    });
    my $bridge = CPANBridge->new(socket => $broker->socket_path, timeout => 10);
    $bridge->call('x.first', { n => 'first' });
    my @calls = map { ["x.call$_", { n => "number $_" }] } 1 .. $COUNT;
    my @results = $bridge->pipeline(@calls);
    is_deeply([map { $_->{by} } @results], [1, 1, 2, 1, 2, 2], 'who answered');
    is_deeply([map { [@{$_}{qw(what n)}] } @results], [map { ["x.call$_", "number $_"] } 1 .. $COUNT], 'what they were asked');
}

# Handlers.
my $broker = TestBroker->start;
sub with_alarm {
    my ($handler, $work) = @_;
    local $SIG{ALRM} = $handler;
    setitimer(ITIMER_REAL, 0.1);
    my @results = $work->();
    setitimer(ITIMER_REAL, 0);
    return @results;
}

{
    my $bridge = CPANBridge->new(socket => $broker->socket_path, timeout => 20);
    $bridge->call('test.echo', {});
    my @batch = ((map { ['test.echo', { n => "$_" }] } 1 .. 3), ['test.sleep', { seconds => 0.6 }], ['test.echo', { n => 'last' }]);
    # Numbers have another form, so the codec is there first.
    CPANBridge::MessagePack->pack({ n => 0.5 });

    my @inner;
    my @results = with_alarm(sub { @inner = $bridge->pipeline(['test.echo', { n => 'inner' }], ['test.echo', { n => 'more' }]) }, sub { $bridge->pipeline(@batch) });
    is_deeply([map { $_->{n} } @inner], ['inner', 'more'], 'a pipeline in a handler that comes into one');
    is_deeply(shown(@results[0 .. 2, 4]), [(map { { n => "$_" } } 1 .. 3), { n => 'last' }], 'which goes on');

    @results = with_alarm(sub { $bridge->disconnect }, sub { $bridge->pipeline(@batch) });
    is(scalar @results, 5, 'a handler that closes the connection');
    is((shown($results[3]))->[0], 'cancelled: the script closed the connection', 'ends what is under way');
    is_deeply($bridge->call('test.echo', { n => 'next' }), { n => 'next' }, 'and nothing else');

    my $died = !eval { with_alarm(sub { die "enough\n" }, sub { $bridge->pipeline(@batch) }); 1 };
    is($died && $@, "enough\n", 'a handler dies');
    is_deeply([$bridge->pipeline(map { ['test.echo', { n => "after $_" }] } 1 .. 3)], [map { { n => "after $_" } } 1 .. 3], 'and the next pipeline gets its own answers');

    # A child that goes on with what its parent began gets none of its parent's answers.
    pipe my $from, my $to or die $!;
    @results = with_alarm(sub {
        my $pid = fork;
        die if !defined $pid;
        return if $pid;
        local $SIG{ALRM} = 'DEFAULT';
        setitimer(ITIMER_REAL, 20);
        $SIG{CHLD} = 'DEFAULT';
        $ENV{IS_CHILD} = 1;
    }, sub {
        my @all = $bridge->pipeline(@batch);
        if ($ENV{IS_CHILD}) {
            my $line = join ' ', map { CPANBridge::Error::is_one($_) ? $_->code : 'answer' } @all;
            syswrite $to, "$line\n";
            POSIX::_exit(0);
        }
        return @all;
    });
    close $to;
    my $line = <$from>;
    like($line, qr/\A(?:answer ){0,3}(?:lost ?)+(?:answer)?\n\z/, 'a child knows that the calls are its parent\'s');
    is_deeply(shown(@results[0 .. 2, 4]), [(map { { n => "$_" } } 1 .. 3), { n => 'last' }], 'whose calls go on');
    wait;
}

# Numbers come to an end.
{
    my $bridge = CPANBridge->new(socket => $broker->socket_path, timeout => 20);
    $bridge->call('test.echo', {});
    for my $before (0 .. 7) {
        $bridge->{_cpanbridge}{msgid} = 0xffff_ffff - $before;
        is_deeply([$bridge->pipeline(map { ['test.echo', { n => "$_" }] } 1 .. 5)], [map { { n => "$_" } } 1 .. 5], "$before numbers before the last");
    }
}

# Beside calls that are under way.
{
    my $bridge = CPANBridge->new(socket => $broker->socket_path, timeout => 20);
    my $early = $bridge->send_call('test.echo', { n => 'early' });
    my $late = $bridge->send_call('test.sleep', { seconds => 0.3 });
    is_deeply([$bridge->pipeline(map { ['test.echo', { n => "$_" }] } 1 .. 5)], [map { { n => "$_" } } 1 .. 5], 'beside calls that are under way');
    is_deeply($bridge->wait_for($early), { n => 'early' }, 'whose answers are theirs');
    ok($bridge->wait_for($late), 'also the one that comes last');
    is_deeply([$bridge->poll], [], 'and nothing is left over');
}

done_testing;
