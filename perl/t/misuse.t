# What a script does wrong is told in its own words, at its own line; nothing that it wrote is ignored.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use CPANBridge;
use TestBroker;

my $broker = TestBroker->start;
my $bridge = CPANBridge->new(socket => $broker->socket_path);
my $single = CPANBridge->new(socket => $broker->socket_path, persistent => 0);
$_->call('test.ping') for $bridge, $bridge, $single;

my @warnings;
local $SIG{__WARN__} = sub { push @warnings, @_ };

# Each: what is said, and code, of which each is a line of its own.
my @cases;
for my $client ($bridge, $single) {
    push @cases, (
        # A method's name
        [qr/\Aa method is named module\.function/, sub { $client->call('') }],
        [qr/\Aa method is named module\.function/, sub { $client->call(undef) }],
        [qr/\Aa method is named module\.function/, sub { $client->call }],
        [qr/\Aa method is named module\.function/, sub { $client->call(['test.ping']) }],
        [qr/\Aa method is named module\.function/, sub { $client->send_call('') }],
        [qr/\Aa method is named module\.function/, sub { $client->notify('') }],
        [qr/\Aa method is named module\.function/, sub { $client->pipeline(['test.ping'], ['']) }],
        [qr/\Aa method is named module\.function/, sub { $client->pipeline([undef]) }],
        [qr/\Aa method is named module\.function/, sub { $client->pipeline([[]]) }],
        [qr/\Aa call of a pipeline is a list/,     sub { $client->pipeline('test.ping') }],
        [qr/\AModule name required/,               sub { $client->call_python('', 'ping') }],
        [qr/\AFunction name required/,             sub { $client->call_python('test', undef) }],
        # Options
        [qr/\Atest\.echo: unknown option of a call: timout \(known are progress, timeout\)/, sub { $client->call('test.echo', {}, timout => 5) }],
        [qr/\Atest\.echo: unknown option of a call: retry timout/, sub { $client->call('test.echo', {}, timout => 5, timeout => 5, retry => 1) }],
        [qr/\Atest\.echo: unknown option of a call: timout/, sub { $client->send_call('test.echo', {}, timout => 5) }],
        [qr/\Atest\.echo: unknown option of a call: timout/, sub { $client->pipeline(['test.ping'], ['test.echo', {}, timout => 5]) }],
        [qr/\Atest\.echo: options of a call are NAME => VALUE/, sub { $client->call('test.echo', {}, 'timeout') }],
        [qr/\Atest\.echo: options of a call are NAME => VALUE/, sub { $client->call('test.echo', {}, { timeout => 5 }) }],
        [qr/\Atest\.echo: options of a call are NAME => VALUE/, sub { $client->pipeline(['test.echo', {}, 5]) }],
        [qr/\Atest\.echo: timeout is a number of seconds, not '5s'/, sub { $client->call('test.echo', {}, timeout => '5s') }],
        [qr/\Atest\.echo: timeout is a number of seconds, not ''/, sub { $client->send_call('test.echo', {}, timeout => '') }],
        [qr/\Atest\.echo: timeout is a number of seconds, not '[Ii]nf/, sub { $client->call('test.echo', {}, timeout => 9**9**9) }],
        [qr/\Atest\.echo: progress is a reference to a function/, sub { $client->call('test.echo', {}, progress => 1) }],
        [qr/\Atest\.echo: notify takes no options/, sub { $client->notify('test.echo', {}, timeout => 1) }],
        # Tickets
        [qr/\Await_for takes what send_call gave/, sub { $client->wait_for('a ticket') }],
        [qr/\Await_for takes what send_call gave/, sub { $client->wait_for(undef) }],
        [qr/\Await_for takes what send_call gave/, sub { $client->wait_for({}) }],
        [qr/\Acancel takes what send_call gave/,   sub { $client->cancel('a ticket') }],
    );
}
# Settings
for my $name (qw(timeout retry_count answer_memory max_json_size)) {
    push @cases, map { my $value = $_; [qr/\Aargument $name of CPANBridge->new is a number, not '\Q$value\E'/, sub { CPANBridge->new($name => $value) }] } 'abc', '', 'x5';
}
for my $case (@cases) {
    my ($said, $code) = @$case;
    # Where the code is, as Perl has it.
    my $line = first_line($code);
    ok(!eval { $code->(); 1 }, 'refused');
    like($@, qr/$said.* at \Q${\ __FILE__}\E line $line\.?\n/s, 'in words for whoever wrote it, at its line');
}
is_deeply(\@warnings, [], 'and Perl has nothing to say');

sub first_line {
    my ($code) = @_;
    require B;
    my $op = B::svref_2object($code)->START;
    $op = $op->next until $op->isa('B::COP');
    return $op->line;
}

# What stands in a socket's place.
{
    my $bridge = CPANBridge->new(socket => __FILE__);
    ok(!eval { $bridge->call('test.ping') }, 'a file is no socket');
    like($@->message, qr/: it is no socket\z/, 'and is told so, with no advice that does not help');
}

# What may be written is taken.
is_deeply($bridge->call('test.echo', { n => 1 }, timeout => $_), { n => 1 }, "timeout => $_") for 5, '5', 0.5 * 10, '2.5', '.5e1', ' 5', 1e12, 1e300;
is_deeply($bridge->call('test.echo', { n => 1 }, timeout => undef, progress => undef), { n => 1 }, 'an option without a value is none');
is_deeply([$bridge->pipeline(['test.echo', { n => 1 }, timeout => 5], ['test.echo', { n => 2 }, progress => sub { }])], [{ n => 1 }, { n => 2 }], 'in a pipeline');

# A limit that passed is told as the script knows it, whoever noticed: the broker, or the client because the broker says nothing.
my $mute = TestBroker->fake(sub { 1 while defined TestBroker::read_frame($_[0]) });
for my $socket ($broker->socket_path, $mute->socket_path) {
    my $client = CPANBridge->new(socket => $socket, timeout => 0.05);
    my $said = qr/no answer within 0\.05 seconds, its time limit/;
    eval { $client->call('test.sleep', { seconds => 30 }) };
    is($@->code, 'timeout', 'the time limit of an object');
    like($@->message, qr/\A$said\z/, '... is told');
    eval { CPANBridge->new(socket => $socket)->call('test.sleep', { seconds => 30 }, timeout => 0.05) };
    like($@->message, qr/\A$said\z/, 'that of a call');
    my @results = $client->pipeline(['test.sleep', { seconds => 30 }], ['test.sleep', { seconds => 30 }, timeout => 0.06]);
    like($results[0]->message, qr/\A$said\z/, 'those of a pipeline');
    like($results[1]->message, qr/within 0\.06 seconds/, '... each its own');
    eval { $client->wait_for($client->send_call('test.sleep', { seconds => 30 })) };
    like($@->message, qr/\A$said\z/, 'that of a ticket');
    like($client->call_python('test', 'sleep', { seconds => 30 })->{error}, qr/\A$said\z/, 'and call_python\'s');
}
{
    local $CPANBridge::DAEMON_MODE = 0;
    my $client = CPANBridge->new(timeout => 0.3);
    like($client->call_python('test', 'sleep', { seconds => 30 })->{error}, qr/\Ano answer within 0\.3 seconds, its time limit/, 'that of a process of its own');
}

# What is tied may be another value each time it is looked at; it is looked at once.
{
    {
        package Growing;
        sub TIESCALAR { return bless { n => 0 }, shift }
        sub TIEHASH   { return bless { n => 0 }, shift }
        sub TIEARRAY  { return bless { n => 0 }, shift }
        sub FETCH     { return 'x' x ++$_[0]{n} }
        sub FETCHSIZE { return 3 }
        sub FIRSTKEY  { return 'a' }
        sub NEXTKEY   { return }
        sub SCALAR    { return 1 }
    }
    my $bridge = CPANBridge->new(socket => $broker->socket_path);
    tie my $scalar, 'Growing';
    tie my %hash, 'Growing';
    tie my @array, 'Growing';
    my %scalar = (a => 1);
    tie $scalar{b}, 'Growing';
    my $ticket = $bridge->send_call('test.sleep', { seconds => 0.01 });
    is_deeply($bridge->call('test.echo', { a => $scalar, b => \%hash, c => \@array, d => \%scalar }),
        { a => 'x', b => { a => 'x' }, c => [qw(x xx xxx)], d => { a => 1, b => 'x' } }, 'tied values');
    is_deeply($bridge->call('test.echo', \%scalar), { a => 1, b => 'xx' }, 'parameters with one');
    ok($bridge->wait_for($ticket), 'and other calls on the connection do not suffer');
}

# A handler that dies while the connection is made leaves no bound off.
{
    my $bridge = CPANBridge->new(socket => $broker->socket_path, answer_memory => 16 << 20);
    my $whole = \&CPANBridge::Connection::limit_frames;
    my $once = 0;
    no warnings 'redefine';
    local *CPANBridge::Connection::limit_frames = sub { die "from a handler\n" if !$once++; goto &$whole };
    ok(!eval { $bridge->fileno; 1 }, 'broken off');
    my $answer = eval { $bridge->call('test.echo', { d => 'x' x 6_000_000 }) };
    is($answer ? 'taken' : $@->code, 'too_large', 'an answer above the bound is one still');
}

done_testing;
