# CPANBridge::HTTP: scripts see what they see with HTTP::Tiny.
use strict;
use warnings;
use lib 'perl/t/lib', 'perl/lib';
use Test::More;
use Recorded;
use TestBroker;
use TestWeb;

delete @ENV{grep { /_proxy\z/i || /\APERL_HTTP_TINY/ } keys %ENV};
my $web = TestWeb->start;
my $broker = TestBroker->start;
$ENV{CPAN_BRIDGE_SOCKET} = $broker->socket_path;
my $top = TestBroker::top();
my $data = Recorded::data();
Recorded::compare(
    file     => 'tiny.json',
    at_least => 40,
    ours     => ["-I$top/perl/lib", "$data/tiny.pl", 'CPANBridge::HTTP', $web->url('')],
    original => ["$data/tiny.pl", 'HTTP::Tiny', $web->url('')],
    versions => { 'HTTP::Tiny' => '0.080' },
);

# --- What HTTP::Tiny can't do here
require CPANBridge::HTTP;
ok(CPANBridge::HTTP->can_ssl, 'TLS is there');

# Large bodies, both ways, with bounded memory on the way.
my $sum = TestWeb->start('/sum' => sub {
    my ($client, $request) = @_;
    return TestWeb::reply($client, $request, '200 OK', [], length($request->{body}) . ' ' . unpack '%32C*', $request->{body});
});
my $large = join '', map { chr($_ % 251) } 0 .. 6_000_000;
my $answer = CPANBridge::HTTP->new->post($sum->url('/sum'), { content => $large });
is($answer->{content}, length($large) . ' ' . unpack('%32C*', $large), 'a large body goes in pieces');
is(length CPANBridge::HTTP->new->get($web->url('/bytes/20000000'))->{content}, 20_000_000, 'and comes in pieces, beyond a frame');
{
    require CPANBridge;
    my $failed = CPANBridge->new->call('test.stats')->{requests_failed};
    is(length CPANBridge::HTTP->new->get($web->url('/bytes/5000000'))->{content}, 5_000_000, 'once more');
    is(CPANBridge->new->call('test.stats')->{requests_failed}, $failed, 'pieces that were asked for ahead are no failed calls');
}

# A server that says how much comes, and breaks off.
{
    my $cut = TestWeb->start('/short' => sub {
        my ($client) = @_;
        print {$client} "HTTP/1.1 200 OK\r\nContent-Length: 4000000\r\n\r\n", 'B' x 3_000_000;
        $client->flush;
        return 0;
    });
    my $got = 0;
    CPANBridge::HTTP->new->get($cut->url('/short'), { data_callback => sub { $got += length $_[0] } });
    is($got, 3_000_000, 'all that came before it broke off is there');
    local @INC = ("$top/perl/compat", @INC);
    require LWP::UserAgent;
    like($INC{'LWP/UserAgent.pm'}, qr{/perl/compat/}, 'the stand-in');
    my $answer = LWP::UserAgent->new->get($cut->url('/short'));
    is(length $answer->content, 3_000_000, 'for LWP as well');
}

my @pieces = ('one', sub { die "no more\n" });
my $stopped = CPANBridge::HTTP->new->post($sum->url('/sum'), { content => sub { my $next = shift @pieces; return ref $next ? $next->() : $next } });
is_deeply([@{$stopped}{qw(status content)}], [599, "no more\n"], 'a body whose source dies is not sent');
require CPANBridge;
is(CPANBridge->new->call('system.metrics')->{handle_summary}{'http body'}, undef, 'nor kept');

# A callback may make calls of its own, and break off.
my ($seen, $http) = (0, CPANBridge::HTTP->new);
my $nested = $http->get($web->url('/bytes/5000000'), { data_callback => sub {
    $seen += length $_[0];
    die "inner failed\n" if $http->get($web->url('/status/200'))->{content} ne 'status 200';
} });
is_deeply([$nested->{status}, $seen], [200, 5_000_000], 'a callback that makes requests itself');
my $broken = $http->get($web->url('/bytes/5000000'), { data_callback => sub { die "enough\n" } });
is_deeply([@{$broken}{qw(status content)}], [599, "enough\n"], 'one that breaks off');
is($http->get($web->url('/status/200'))->{status}, 200, 'and the next request');

# After a fork each process has a session of its own, so they do not wait for each other.
my $pid = fork;
if (!$pid) {
    my $ok = $http->get($web->url('/status/200'))->{content} eq 'status 200';
    require POSIX;
    POSIX::_exit($ok ? 0 : 1);
}
waitpid $pid, 0;
is($?, 0, 'a child makes requests');
is($http->get($web->url('/status/200'))->{status}, 200, 'and so does the parent still');

# What can't work is said when the object is made.
for my $wrong ([proxy => 'nonsense'], [proxy => ''], [http_proxy => 'nonsense'], [https_proxy => '//h:1'], [cookie_jar => 'x'], [cookie_jar => {}]) {
    ok(!eval { CPANBridge::HTTP->new(@$wrong) }, "refused: $wrong->[0]");
    like($@, qr/\A(?:\S+(?: proxy)? URL must be in format|Cookie jar must provide the 'add' method).* at \Q${\__FILE__}\E line ${\(__LINE__ - 1)}/, 'at the script\'s line');
}
ok(CPANBridge::HTTP->new(proxy => undef, http_proxy => 'http://u:p@h:1/', https_proxy => 'socks5://h:1', cookie_jar => undef), 'and what can is not');

# What has no form as lines is refused in the same words as ever, and is not sent as Perl would print it.
{
    my $refused = sub { CPANBridge::HTTP->new->request(GET => $web->url('/status/200'), { headers => { 'X-A' => $_[0] } }) };
    like($refused->($_->[0])->{content}, $_->[1], "a header's value that is none: $_->[2]")
        for [{}, qr/can't be map/, 'a hash'], [[{}], qr/can't be map/, 'a hash in a list'], [\'x', qr/no MessagePack form/, 'a reference'],
        ["a\nb", qr/line ends or other control/, 'two lines'], [['a', "b\nX-B: c"], qr/line ends or other control/, 'two lines in a list'];
    is($refused->($_)->{status}, 200, 'one that may be') for undef, '', 5, [1, undef, 2], [['x']];
}

# A session that ended meanwhile is made anew.
my $short = TestBroker->start('--handle-idle-timeout', '50ms');
{
    require CPANBridge::Shared;
    local $ENV{CPAN_BRIDGE_SOCKET} = $short->socket_path;
    my $code = 'my $h = CPANBridge::HTTP->new; my $url = shift; my $client = CPANBridge::Shared::bridge();'
        . 'print $h->get($url)->{status};'
        . 'for (1 .. 500) { last if !keys %{ $client->call("system.metrics")->{handle_summary} }; select undef, undef, undef, 0.02 }'
        . 'print " ", $h->get($url)->{status};';
    my $url = $web->url('/status/200');
    is(qx{$^X -I$top/perl/lib -MCPANBridge::HTTP -e '$code' $url}, '200 200', 'a session that has ended is made anew');
}

done_testing;
