# What a script asks for is what is done: bodies go to its handles, URLs as it wrote them, its handlers may die, its lengths hold.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib", "$FindBin::Bin/../lib", "$FindBin::Bin/../compat";
use CPANBridge::HTTP;
use Cwd ();
use File::Temp ();
use IO::File ();
use JSON::PP ();
use LWP::UserAgent;
use Test::More;
use TestBroker;
use TestWeb;

delete @ENV{grep { /_proxy\z/i } keys %ENV};
my $broker = TestBroker->start;
$ENV{CPAN_BRIDGE_SOCKET} = $broker->socket_path;
my $long = join '', map { "$_\n" } 1 .. 200_000;
my $authed = sub {
    my ($client, $request) = @_;
    my $given = $request->{headers}{authorization};
    return TestWeb::reply($client, $request, '200 OK', ['Content-Type' => 'text/plain'], $given) if $given;
    my $kind = $request->{target} =~ /basic/ ? 'Basic realm="a, \"b\""' : 'Digest realm="a, b", nonce="n,m", qop="auth, auth-int", algorithm=MD5';
    return TestWeb::reply($client, $request, '401 Who', ['WWW-Authenticate' => $kind], 'who?');
};
my $web = TestWeb->start(
    '/long'  => sub { TestWeb::reply(@_, '200 OK', ['Content-Type' => 'text/plain'], $long) },
    '/comma' => $authed, '/comma-basic' => $authed,
    map { ($_ => sub { TestWeb::reply($_[0], $_[1], '200 OK', ['Content-Type' => 'text/plain'], "$_[1]{method} $_[1]{target}") }) }
        '/%7efoo/%c3%a4/%2e', '/a', '/a%20b//../c', '/',
);
my $ua = LWP::UserAgent->new(timeout => 20);

# --- Bodies to handles of the script's own
my $directory = File::Temp->newdir;
my $before = Cwd::getcwd();
chdir "$directory" or die $!;
my $of = sub { my ($name) = @_; open my $in, '<', $name or die "$name: $!"; binmode $in; local $/; return readline $in };
open my $plain, '>', 'plain' or die $!;
print {$plain} "first\n";
is($ua->get($web->url('/long'), ':content_file' => $plain)->code, 200, 'to a file handle');
print {$plain} "last\n";
close $plain or die $!;
is($of->('plain'), "first\n${long}last\n", '... which stays open, and in order');
my $object = IO::File->new('object', 'w');
my $response = $ua->request(HTTP::Request->new(GET => $web->url('/long')), $object);
is_deeply([$response->code, $response->content], [200, ''], 'to an object, by request');
$object->close;
is($of->('object'), $long, '... whole');
open my $memory, '>', \my $held or die $!;
$ua->get($web->url('/bytes/10'), ':content_file' => $memory);
close $memory;
is($held, 'x' x 10, 'to a handle in memory');
open OLD, '>', 'old' or die $!;    ## no critic (ProhibitBarewordFileHandles)
$ua->get($web->url('/bytes/10'), ':content_file' => \*OLD);
close OLD;
is($of->('old'), 'x' x 10, 'to an old one by reference');
open my $utf, '>:encoding(UTF-8)', 'utf' or die $!;
$ua->get($web->url('/many'), ':content_file' => $utf);
close $utf;
is($of->('utf'), "\xc3\xa4", 'bytes are bytes, whatever the handle does to characters');
open my $in, '<', 'plain' or die $!;
like($ua->get($web->url('/bytes/10'), ':content_file' => $in)->header('X-Died'), qr/\ACan't write to 'GLOB/, 'one that is for reading is no place for it');
open my $error, '>', 'error' or die $!;
is($ua->get($web->url('/status/404'), ':content_file' => $error)->content, 'status 404', 'what is no success is for the response');
close $error;
is(-s 'error', 0, '... alone');
$ua->get($web->url('/bytes/10'), ':content_file' => 'named');
is($of->('named'), 'x' x 10, 'to a name');
is_deeply([sort grep { !/\A[a-z]+\z/ } glob '*'], [], 'no file has the name of a handle');
chdir $before or die $!;

# --- URLs as they were written
for my $path ('/%7efoo/%c3%a4/%2e?x=%2e&z=%41', '/a?q=%7e', '/a%20b//../c') {
    is($ua->get($web->url($path))->content, "GET $path", "$path is sent as it is");
}
is($ua->get($web->url('/a#there'))->content, 'GET /a', 'without a fragment');
(my $bare = $web->url('')) =~ s{/\z}{};
is($ua->get($bare)->content, 'GET /', 'without a path');
is($ua->get("$bare?q=%41")->content, 'GET /?q=%41', '... but with a query');
is($ua->get(uc($1) . $')->content, 'GET /a', 'schemes have no case') if $web->url('/a') =~ /\A(http)/;

# --- Handlers that die
my $dying = LWP::UserAgent->new;
$dying->add_handler(response_header => sub { die "no use\n" });
$response = $dying->get($web->url('/bytes/10'));
is_deeply([$response->code, $response->content, map { $response->header($_) } qw(Content-Length X-Died Client-Aborted)], [200, '', 10, 'no use', 'die'],
    'a handler for heads that dies ends the body, and the head is there');

# --- Who one is
my $agent = sub { return join ',', map { $_->[1] } grep { lc $_->[0] eq 'user-agent' } @{ JSON::PP::decode_json($_[0]->get($web->url('/echo'))->content)->{spelt} } };
is($agent->(LWP::UserAgent->new(agent => undef)), "libwww-perl/$LWP::UserAgent::VERSION", 'who says undef says nothing');
is($agent->(LWP::UserAgent->new(agent => '')), '', 'who says empty sends none');
is(ref(LWP::Protocol::create('http', $ua)->can('timeout')), 'CODE', 'protocols have a time limit');

# --- Commas within what is quoted
my $known = LWP::UserAgent->new;
my ($place) = $web->url('/') =~ m{//([^/]+)};
$known->credentials($place, 'a, b', 'me', 'hush');
like($known->get($web->url('/comma'))->content, qr/\ADigest .*realm="a, b", nonce="n,m", .*qop=auth,/, 'are part of it');
my $quoted = LWP::UserAgent->new;
$quoted->credentials($place, 'a, "b"', 'me', 'hush');
like($quoted->get($web->url('/comma-basic'))->content, qr/\ABasic bWU6aHVzaA==\z/, 'beside quotes');
my $former = LWP::UserAgent->new;
$former->credentials($place, 'a; b', 'me', 'hush');
like($former->get($web->url('/comma'))->content, qr/\ADigest .*realm="a, b"/, 'and a realm is known by the name that the original gives it');

# --- Lengths that hold
my $pieces = sub { my @left = @_; return sub { return shift @left } };
my $tiny = CPANBridge::HTTP->new(timeout => 20);
my $short = $tiny->request('POST', $web->url('/echo'), { content => $pieces->('ab'), headers => { 'content-length' => 10 } });
is_deeply([@$short{qw(status content)}], [599, "Content-Length mismatch (got: 2 expected: 10)\n"], 'a body that is shorter than it was to be is not sent');
my $much = $tiny->request('POST', $web->url('/echo'), { content => $pieces->('abcd'), headers => { 'Content-Length' => 3 } });
is_deeply([@$much{qw(status content)}], [599, "Content-Length mismatch (got: 4 expected: 3)\n"], 'nor one that is longer');
my $sent = $tiny->request('POST', $web->url('/echo'), { content => $pieces->('ab', 'c'), headers => { 'Content-Length' => 3 } });
is_deeply([$sent->{status}, JSON::PP::decode_json($sent->{content})->{body}], [200, 'abc'], 'one that is right is');
my $post = sub { return $ua->request(HTTP::Request->new(POST => $web->url('/echo'), ['Content-Length' => $_[0]], $pieces->('ab', 'c'))) };
like($post->(10)->status_line, qr/\A500 Content-Length mismatch \(got: 3 expected: 10\)/, 'the same with LWP, whose original leaves the server waiting');
is(JSON::PP::decode_json($post->(3)->content)->{body}, 'abc', '... and one that is right');

done_testing;
