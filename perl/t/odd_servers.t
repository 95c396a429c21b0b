# Answers that are not quite as the standard has them, and what scripts see of them; what a script sets for its own printing; and who says what.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib", "$FindBin::Bin/../lib", "$FindBin::Bin/../compat";
use File::Temp ();
use CPANBridge;
use HTTP::Cookies;
use HTTP::Headers::Util ();
use IO::Compress::Gzip qw(gzip);
use IO::Socket::INET ();
use LWP::UserAgent;
use POSIX ();
use Test::More;
use TestBroker;

delete @ENV{grep { /_proxy\z/i } keys %ENV};
my $broker = TestBroker->start;
$ENV{CPAN_BRIDGE_SOCKET} = $broker->socket_path;

# --- A server that answers what it is told, and to /echo and /authed with what it was asked
my $long = "HTTP/1.1 200 OK\r\n" . join '', map { "X-$_: " . 'y' x 1_000 . "\r\n" } 1 .. 30;
my %answer = (
    fold     => "HTTP/1.1 200 OK\r\nX-A: one\r\n two\r\n\tthree\r\nContent-Length: 2\r\n\r\nok",
    odd      => "HTTP/1.1 200 OK\r\nContent-Type : text/x\r\nno colon here\r\nX-Foo(bar): 1\r\nX-C: a\x01b\r\nContent-Length : 2\r\n\r\nok",
    interim  => "HTTP/1.1 100 Continue\r\nOdd line\r\n\r\nHTTP/1.1 200 OK\r\nX-A : b\r\nContent-Length: 2\r\n\r\nok",
    long     => "$long Odd : one\r\nContent-Length: 2\r\n\r\nok",
    cr       => "HTTP/1.1 200 OK\r\nX-A : b\rSet-Cookie: c=d\r\nContent-Length: 2\r\n\r\nok",
    reason   => "HTTP/1.1 200 \xe2\x82\xac\r\nX-N: \xe2\x82\xac\r\nContent-Length: 0\r\n\r\n",
    cookie   => "HTTP/1.1 200 OK\r\nSet-Cookie: a=1; path=/\r\nContent-Length: 0\r\n\r\n",
    redirect => "HTTP/1.1 302 Found\r\nLocation: /echo\r\nContent-Length: 0\r\n\r\n",
    nowhere  => "HTTP/1.1 302 Found\r\nLocation: http:///etc/passwd\r\nContent-Length: 0\r\n\r\n",
    (map { ("to_$_" => "HTTP/1.1 302 Found\r\nLocation: $_:x\r\nContent-Length: 0\r\n\r\n") } qw(data ftp gopher mailto file nntp loopback)),
    cut      => "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly",
    unread   => "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 10\r\n\r\n",
    size     => "HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" . 'x' x 300_000,
    page     => "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n"
        . '<title>T</title><meta http-equiv="X-Died" content="boo"><meta http-equiv=Content-Length content=3><meta http-equiv=Set-Cookie content="evil=1">'
        . '<meta http-equiv=Content-Type content="text/html; charset=utf-8"><meta http-equiv=Refresh content=5>x',
);
my $listener = IO::Socket::INET->new(Listen => 20, LocalAddr => '127.0.0.1') or die $!;
my $base = 'http://127.0.0.1:' . $listener->sockport;
my $server = fork;
die $! if !defined $server;
if (!$server) {
    while (my $client = $listener->accept) {
        $client->autoflush(1);
        local $SIG{PIPE} = 'IGNORE';
        my ($head, $length) = ('', 0);
        while (defined(my $line = <$client>)) {
            $head .= $line;
            $length = $1 if $line =~ /\Acontent-length: (\d+)/i;
            last if $line eq "\r\n";
        }
        read $client, $head, $length, length $head if $length;
        my ($path) = $head =~ m{\A\w+ /(\w*)};
        my $echo = "HTTP/1.1 200 OK\r\nContent-Length: " . length($head) . "\r\n\r\n$head";
        my $is_authed = $head =~ /^Authorization:/mi;
        print {$client} $path eq 'echo' || $path eq 'authed' && $is_authed ? $echo
            : $path eq 'authed' ? "HTTP/1.1 401 No\r\nWWW-Authenticate: Foo a=b\r\nWWW-Authenticate: Basic realm=\"r\"\r\nContent-Length: 0\r\n\r\n"
            : exists $answer{$path} ? $answer{$path} : "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n";
        close $client;
    }
    POSIX::_exit(0);
}
END { if ($server) { local $?; kill KILL => $server; waitpid $server, 0 } }

my $ua = LWP::UserAgent->new(agent => 'test/1', timeout => 10);
my $fold = $ua->get("$base/fold");
is_deeply([$fold->code, $fold->header('X-A'), $fold->content], [200, 'one two three', 'ok'], 'a folded header is one line');
my $odd = $ua->get("$base/odd");
is_deeply([$odd->code, $odd->content_type, $odd->content, $odd->header('X-C')], [200, 'text/x', 'ok', 'a b'], 'blanks before a colon, and a control character');
is_deeply([$odd->header('Client-Junk')], ['no colon here', 'X-Foo(bar): 1'], 'what is no header is aside');
my $interim = $ua->get("$base/interim");
is_deeply([$interim->code, $interim->header('X-A')], [200, 'b'], 'behind an interim answer') or diag $interim->as_string;
my $far = $ua->get("$base/long");
is_deeply([$far->code, $far->header('X-30'), $far->content], [200, 'y' x 1_000 . ' Odd : one', 'ok'], 'in a long head');
is($ua->get("$base/cr")->code, 500, 'what could be two headers is refused');
my $reason = $ua->get("$base/reason");
is_deeply([$reason->message, $reason->header('X-N')], ["\xe2\x82\xac", "\xe2\x82\xac"], 'reasons and values are bytes');
is($ua->head("$base/unread")->decoded_content, '', 'a body that did not come is empty, in whatever form it would have come');

# --- Who is asked
like($ua->get('http:///h/x')->status_line, qr/\A500 No Host/, 'an address without a host');
like($ua->get("$base/nowhere")->status_line, qr/\A500 No Host/, 'and one that a server sends to');
for my $scheme (qw(data ftp gopher mailto file nntp loopback)) {
    my $response = $ua->get("$base/to_$scheme");
    is_deeply([$response->code, $response->header('Client-Warning')], [302, "Can't redirect to a $scheme:// URL!"], "no redirect leads to $scheme");
}
my $dead = LWP::UserAgent->new;
$dead->proxy(http => 'http://u:p@127.0.0.1:1/');
like($dead->get('http://far.example/')->status_line, qr/\A500 Can't connect to 127\.0\.0\.1:1 \(Connection refused/, 'a proxy that is dead');

# --- What is said
for my $agent ('', undef) {
    my $silent = LWP::UserAgent->new;
    $silent->agent($agent);
    unlike($silent->get("$base/echo")->content, qr/user-agent/i, 'no name, where the script wants none');
}
my $bridge = CPANBridge->new(socket => $broker->socket_path);
for my $where ('session_new', 'request') {
    my $session = $bridge->call('http.session_new', { $where eq 'session_new' ? (headers => { 'User-Agent' => '' }) : () })->{session_id};
    my $answer = $bridge->call('http.request', { method => 'GET', url => "$base/echo", session_id => $session, $where eq 'request' ? (headers => { 'User-Agent' => '' }) : () });
    unlike($answer->{content}, qr/user-agent/i, "nor by http, where $where says so");
}
my $jar = HTTP::Cookies->new;
my $with_jar = LWP::UserAgent->new(cookie_jar => $jar);
$with_jar->get("$base/cookie");
my $request = HTTP::Request->new(GET => "$base/echo");
my $cookies = sub { return join '+', $with_jar->request($_[0])->content =~ /^Cookie: (.*)\r$/mg };
is_deeply([map { $cookies->($_) } $request, $request, $request->clone], [('a=1') x 3], 'a request that is sent again has its cookies once');
$jar->set_cookie(0, 'a', '2', '/', '127.0.0.1', undef, 0, 0, 1_000, 0);
is($cookies->($request->clone), 'a=2', 'and those of now');
is($cookies->(HTTP::Request->new(GET => "$base/echo", [Cookie => 'a=x'])), 'a=x', 'the script\'s own stand alone');
{
    package Known;
    our @ISA = ('LWP::UserAgent');
    sub get_basic_credentials { return ('u', 'p') }
}
is(join('+', Known->new(cookie_jar => $jar)->get("$base/authed")->content =~ /^Cookie: (.*)\r$/mg), 'a=2', 'once, too, where a server asked who it is');
my @pieces = ('ab', 'cd', '');
like($ua->request(HTTP::Request->new(POST => "$base/echo", ['Content-Type' => 'x/y'], sub { shift @pieces }))->content, qr/\r\n\r\nabcd\z/, 'content from code');
my $page = $with_jar->get("$base/page");
is_deeply([map { scalar $page->header($_) } qw(Title Refresh X-Died Content-Length Set-Cookie)], ['T', 5, undef, undef, undef], 'a page says what pages may');
is_deeply([$page->header('Content-Type')], ['text/html'], 'its type is the server\'s to say');

{
    # One whose queue is full takes no more.
    my $busy = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1') or die $!;
    my $place = '127.0.0.1:' . $busy->sockport;
    my @waiting = map { IO::Socket::INET->new(PeerAddr => $place, Blocking => 0) } 1 .. 5;
    like(LWP::UserAgent->new(timeout => 1)->get("http://$place/")->status_line, qr/\A500 Can't connect to \Q$place\E \(Connection timed out\)/, 'a server that takes nobody');
}

# --- The caller's own
for my $path (qw(echo redirect authed cut cr page nowhere)) {
    $@ = 'keep';
    Known->new->get("$base/$path");
    is($@, 'keep', "\$\@ stays: $path");
}
{
    my $directory = File::Temp->newdir;
    local ($\, $,) = ("!\n", ',');
    is($ua->get("$base/size", ':content_file' => "$directory/a", ':read_size_hint' => 1_000)->code, 200, 'to a file');
    is($ua->mirror("$base/size", "$directory/b")->code, 200, 'mirrored');
    is_deeply([map { -s "$directory/$_" } qw(a b)], [300_000, 300_000], 'what the script prints behind its lines is in neither');
    ok(!eval { $ua->mirror("$base/cut", "$directory/c"); 1 }, 'what is cut off is not mirrored');
    is($@, "Transfer truncated: only 4 out of 100 bytes received\n", 'and is called so');
    ok(!-e "$directory/c", 'nor there');
}
my @order;
my $watched = LWP::UserAgent->new;
$watched->add_handler(response_data => sub { push @order, 'handler'; $_[3] = 'changed'; return 1 });
is($watched->get("$base/fold")->content, 'ok', 'a handler does not change what came');
@order = ();
$watched->get("$base/fold", ':content_cb' => sub { push @order, 'callback' });
is_deeply(\@order, ['callback', 'handler'], 'the callback comes first');

# --- Forms and pages
my $form = URI->new('http://h/');
$form->query_form(f => "\xe4", g => "\x{20ac}");
is($form, 'http://h/?f=%C3%A4&g=%E2%82%AC', 'a form has one encoding');
$form->query_form(f => "\xe4");
is($form, 'http://h/?f=%E4', 'Latin-1 where that will do');
my %charset = ('<meta charset=utf-8>' => 'UTF-8', '<meta charset="iso-8859-1">' => 'windows-1252', '<meta charset=nonsense>' => 'US-ASCII',
    '<meta http-equiv=Content-Type content="text/html; charset=koi8-r">' => 'KOI8-R', '<meta charset=x-sjis>' => 'Shift_JIS');
is(HTTP::Response->new(200, 'OK', ['Content-Type' => 'text/html'], $_)->content_charset, $charset{$_}, "charset: $_") for sort keys %charset;
is(HTTP::Response->new(200, 'OK', ['Content-Encoding' => $_, 'Content-Type' => 'a/b'], '')->decoded_content, '', "empty: $_") for qw(gzip deflate x-gzip);
gzip(\('abc' x 10), \my $packed);
is(HTTP::Response->new(200, 'OK', ['Content-Encoding' => ' gzip ', 'Content-Type' => 'a/b'], $packed)->decoded_content, 'abc' x 10, 'packed');
substr($packed, -6, 1) ^= "\1";
is(HTTP::Response->new(200, 'OK', ['Content-Encoding' => 'gzip', 'Content-Type' => 'a/b'], $packed)->decoded_content, undef, 'packed, with a wrong sum');
like($@, qr/\ACan't gunzip content: data error \(\S/, 'and what is wrong is said');
is(HTTP::Response->new(200, 'OK', ['Content-Encoding' => 'gzip', 'Content-Type' => 'a/b'], $packed)->decoded_content(max_body_size => 100), undef, 'and with a limit');
like($@, qr/\ACan't gunzip content: data error \(\S/, 'in the same words');

# --- What is made to take long is done at once: these would not end within the test's time
my $blanks = ' ' x 300_000;
is(HTTP::Headers->new('Content-Type' => 'text/html; ' . '=' x 300_000 . ';charset=x')->content_type_charset, 'X', 'equal signs');
is(HTTP::Headers->new('Content-Type' => "text/html; charset=\"x${blanks}y\"")->content_type_charset, uc "x${blanks}y", 'blanks');
is_deeply([HTTP::Headers::Util::split_header_words("a${blanks}=${blanks}\"b\\\"c\"${blanks};${blanks},d")], [[a => 'b"c'], [d => undef]], 'and within');
is(scalar(() = HTTP::Message->parse("A: b\n" x 100_000 . "\nbody")->header('A')), 100_000, 'headers of one name');
is(HTTP::Response->new(200, 'OK', ['Content-Encoding' => "x${blanks}x"], 'a')->decoded_content, undef, 'a coding');
{
    my @warnings;
    local $SIG{__WARN__} = sub { push @warnings, @_ };
    for my $value ('b' x 200_000, '"' . '\\\\' x 70_001 . '"', "b$blanks;$blanks") {
        my $response = HTTP::Response->new(200, 'OK', ['Set-Cookie' => "a=$value"]);
        $response->request(HTTP::Request->new(GET => 'http://h.example/'));
        HTTP::Cookies->new->extract_cookies($response);
    }
    HTTP::Cookies->new->add_cookie_header(HTTP::Request->new(GET => 'http://' . 'a.' x 20_000 . 'example/'));
    is_deeply(\@warnings, [], 'long cookies and names of hosts are read without a word');
}

done_testing;
