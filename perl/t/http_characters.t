# Bytes and characters over HTTP: the same things by all three ways in. This is what docs/http.md says under that head, row by row.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib", "$FindBin::Bin/../lib", "$FindBin::Bin/../compat";
use CPANBridge;
use CPANBridge::HTTP;
use File::Temp ();
use HTTP::Request::Common ();
use JSON::PP ();
use LWP::UserAgent;
use MIME::Base64 ();
use Test::More;
use TestBroker;
use TestWeb;

delete @ENV{grep { /_proxy\z/i } keys %ENV};
my $broker = TestBroker->start;
$ENV{CPAN_BRIDGE_SOCKET} = $broker->socket_path;

my %said = (
    '/latin'   => ["404 \xe4\xf6", ['X-Said' => "\xe4", 'Content-Type' => 'text/plain'], ''],
    '/utf'     => ["404 \xe2\x82\xac", ['X-Said' => "\xe2\x82\xac", 'X-Said' => "\xe4", 'Set-Cookie' => "a=\xc3\xa4"], ''],
    '/ascii'   => ['404 No such thing', ['X-Said' => 'plain'], ''],
    '/charset' => ['200 OK', ['Content-Type' => 'text/plain; charset=ISO-8859-1'], "\xe4"],
    '/text'    => ['200 OK', ['Content-Type' => 'text/plain; charset=UTF-8'], "\xe2\x82\xac"],
    '/bare'    => ['200 OK', ['Content-Type' => 'text/plain'], "\xc3\xa4"],
    '/wrong'   => ['200 OK', ['Content-Type' => 'text/plain; charset=UTF-8'], "\xe4"],
    '/bytes'   => ['200 OK', ['Content-Type' => 'application/octet-stream'], "\xc3\xa4"],
    '/json'    => ['200 OK', ['Content-Type' => 'application/json'], "\"\xc3\xa4\""],
);
my $echo = sub { my ($client, $request) = @_; return TestWeb::reply($client, $request, '200 OK', ['Content-Type' => 'application/json'], JSON::PP->new->ascii->encode($request)) };
my $web = TestWeb->start(
    '/e' => $echo,
    (map { my ($path, $answer) = ($_, $said{$_}); ($path => sub { my ($client, $request) = @_; return TestWeb::reply($client, $request, @$answer) }) } keys %said),
    (map { ("/%$_" => $echo) } 'E4', 'C3%A4', 'E2%82%AC', 'C3%A4%E2%82%AC'),
    '/trailers' => sub {
        my ($client) = @_;
        return TestWeb::_write($client, "HTTP/1.1 200 OK\015\012Transfer-Encoding: chunked\015\012\015\0120\015\012X-Said: \xe4\015\012\015\012");
    },
);
my $ua     = LWP::UserAgent->new(timeout => 20);
my $tiny   = CPANBridge::HTTP->new(timeout => 20);
my $bridge = CPANBridge->new;
my @WAYS   = qw(lwp tiny helper old);

# What is sent: the same strings, each as Perl may keep it.
sub flagged { my ($text) = @_; utf8::upgrade($text); return $text }
my %STRING = (latin => "\xe4", flagged => flagged("\xe4"), utf => "\xc3\xa4", wide => "\x{20ac}", mixed => "\xe4\x{20ac}");
my @STRINGS = qw(latin flagged utf wide mixed);

sub old {
    my ($method, %params) = @_;
    my $answer = $bridge->call_python('http_helper', $method, \%params);
    # What failed at the server is a result as well.
    return ref $answer->{result} ? $answer->{result} : die $answer->{error};
}

# A request by each way; what the server saw of it, or what was said of one that was not sent.
my %SEND = (
    lwp => sub {
        my (%of) = @_;
        my $request = HTTP::Request->new($of{method} || 'GET', $of{url} || $web->url('/e'), [%{ $of{headers} || {} }], $of{content});
        $request = HTTP::Request::Common::POST($web->url('/e'), [%{ $of{form} }]) if $of{form};
        $request->authorization_basic('me', $of{password}) if defined $of{password};
        my $response = $ua->request($request);
        return $response->is_success ? $response->content : die $response->status_line . "\n";
    },
    tiny => sub {
        my (%of) = @_;
        my $url = $of{url} || $web->url('/e');
        my $response = $of{form} ? $tiny->post_form($url, $of{form})
            : $tiny->request($of{method} || 'GET', $url, { map { defined $of{$_} ? ($_ => $of{$_}) : () } qw(headers content) });
        return $response->{success} ? $response->{content} : die $response->{content};
    },
    helper => sub { my (%of) = @_; return _by(sub { $bridge->call("http_helper.$_[0]", $_[1]) }, %of) },
    old    => sub { my (%of) = @_; return _by(sub { old($_[0], %{ $_[1] }) }, %of) },
);
sub _by {
    my ($call, %of) = @_;
    my %params = (url => $of{url} || $web->url('/e'), map { exists $of{$_} ? ($_ => $of{$_}) : () } qw(headers content form json));
    $params{session_id} = $bridge->call('http_helper.session_new', { user => 'me', password => $of{password} })->{session_id} if defined $of{password};
    return $call->(lc($of{method} || ($of{form} || $of{json} ? 'POST' : 'GET')), \%params)->{content};
}

# Each row: what is looked at, how it is asked for, and what each way makes of the strings; where that is one thing, all make it.
sub row {
    my ($what, $order, $see, %expected) = @_;
    for my $way (grep { $expected{$_} } map { $_ eq 'old' ? () : $_ } @WAYS) {
        my $expected = $expected{$way};
        for my $by ($way eq 'helper' ? qw(helper old) : $way) {
            for my $kind (@STRINGS) {
                my $sent = eval { JSON::PP::decode_json($SEND{$by}->($order->($STRING{$kind}))) };
                my $got = $sent ? $see->($sent) : "refused: $@";
                my $wanted = ref $expected->{$kind} ? $expected->{$kind} : qr/\A\Q$expected->{$kind}\E\z/;
                like($got, $wanted, "$what, $kind, by $by");
            }
        }
    }
    return;
}

my $wide = qr/\Arefused: .*Wide character|\Arefused: .*content must be bytes/;
my %bytes   = (latin => "\xe4", flagged => "\xe4", utf => "\xc3\xa4", wide => $wide, mixed => $wide);
my %as_utf8 = (%bytes, wide => "\xe2\x82\xac", mixed => "\xc3\xa4\xe2\x82\xac");
my %escaped = (latin => '%E4', flagged => '%E4', utf => '%C3%A4', wide => '%E2%82%AC', mixed => '%C3%A4%E2%82%AC');
my %as_uri  = (%escaped, flagged => '%C3%A4');
my %as_text = (%escaped, latin => '%C3%A4', flagged => '%C3%A4');

my $target = sub { my ($sent) = @_; return $sent->{target} =~ m{\A/(.*)\?q=\1\z} ? $1 : "not so: $sent->{target}" };
row('path and query', sub { my ($text) = @_; return (url => $web->url("/$text?q=$text")) }, $target, lwp => \%as_uri, tiny => \%escaped, helper => \%as_text);
row('header', sub { return (headers => { 'X-Sent' => $_[0] }) }, sub { $_[0]{headers}{'x-sent'} }, lwp => \%bytes, tiny => \%bytes, helper => \%as_utf8);
row('body', sub { return (method => 'POST', content => $_[0]) }, sub { $_[0]{body} }, lwp => \%bytes, tiny => \%bytes, helper => \%as_utf8);
row('form', sub { return (form => { f => $_[0] }) }, sub { substr $_[0]{body}, 2 }, lwp => \%as_uri, helper => \%escaped,
    tiny => { %as_text, utf => '%C3%83%C2%A4' });
row('json', sub { return (json => [$_[0]]) }, sub { $_[0]{body} }, helper => { map { $_ => '["' . { %as_utf8, latin => "\xc3\xa4", flagged => "\xc3\xa4" }->{$_} . '"]' } @STRINGS });
my $password = sub { my ($sent) = @_; return MIME::Base64::decode_base64(($sent->{headers}{authorization} =~ /\ABasic (.*)/)[0]) =~ /\Ame:(.*)\z/s ? $1 : 'none' };
row('password', sub { return (password => $_[0]) }, $password, lwp => \%bytes, helper => \%as_utf8);
my $port = $web->port;
my $with_user = sub { return (url => "http://me:$_[0]\@127.0.0.1:$port/e") };
row('password in a URL', $with_user, $password, lwp => { %as_utf8, flagged => "\xc3\xa4" }, tiny => \%as_utf8, helper => { %as_utf8, latin => "\xc3\xa4", flagged => "\xc3\xa4" });

# A host is a name, by all of them.
for my $way (@WAYS) {
    my $said = eval { $SEND{$way}->(url => "http://b\xfccher.invalid/\x{20ac}") };
    $said = $way =~ /lwp|tiny/ ? $@ : ($bridge->call('http_helper.get', { url => "http://b\xfccher.invalid/" })->{error});
    like($said, qr/xn--bcher-kva\.invalid/, "host, by $way");
}

# --- What comes back: bytes, in a head
sub answer {
    my ($way, $path) = @_;
    my $url = $web->url($path);
    if ($way eq 'lwp') {
        my $r = $ua->get($url);
        return { reason => $r->message, line => $r->status_line, header => join('+', $r->header('X-Said')), cookie => scalar $r->header('Set-Cookie'), content => $r->content, decoded => $r->decoded_content };
    }
    if ($way eq 'tiny') {
        my $r = $tiny->get($url);
        my $header = $r->{headers}{'x-said'};
        return { reason => $r->{reason}, line => "$r->{status} $r->{reason}", header => ref $header ? join('+', @$header) : $header, cookie => $r->{headers}{'set-cookie'}, content => $r->{content} };
    }
    my $r = $way eq 'old' ? old('get', url => $url) : $bridge->call('http_helper.get', { url => $url });
    my $header = $r->{headers}{'X-Said'};
    $header =~ s/, /+/g if defined $header;
    my $cookie = $r->{headers}{'Set-Cookie'};
    return { reason => $r->{reason}, line => $r->{status_line}, header => $header, cookie => ref $cookie ? $cookie->[0] : $cookie, decoded => $r->{content}, error => $r->{error}, trailers => $r->{trailers} };
}
for my $way (@WAYS) {
    for my $path (qw(/latin /utf /ascii)) {
        my $answer = answer($way, $path);
        my ($reason) = $said{$path}[0] =~ /\A404 (.*)/s;
        is($answer->{reason}, $reason, "the reason is bytes: $path, by $way");
        is($answer->{line}, "404 $reason", '... and so is what is made of it');
        is($answer->{error}, "HTTP 404: $reason", '... each time') if $way =~ /helper|old/;
        is($answer->{header}, { '/latin' => "\xe4", '/utf' => "\xe2\x82\xac+\xe4", '/ascii' => 'plain' }->{$path}, 'values are bytes');
        is($answer->{cookie}, "a=\xc3\xa4", '... each of several') if $path eq '/utf';
    }
    my $behind = answer($way, '/trailers');
    is($way =~ /lwp|tiny/ ? $behind->{header} : $behind->{trailers}{'X-Said'}, "\xe4", "behind a body as well, by $way");
}

# --- Bodies: bytes as they came, or characters by their charset
my %decoded = ('/charset' => "\xe4", '/text' => "\x{20ac}", '/bytes' => "\xc3\xa4", '/bare' => "\xe4", '/wrong' => "\xe4", '/json' => "\"\xe4\"");
for my $path (sort keys %decoded) {
    is(answer($_, $path)->{content}, $said{$path}[2], "content is bytes: $path, by $_") for qw(lwp tiny);
    is(answer($_, $path)->{decoded}, $decoded{$path}, "content is decoded: $path, by $_") for qw(helper old);
}
# As the original has it: what is no UTF-8 has a sign in its place; JSON is not text.
is(answer('lwp', $_)->{decoded}, { %decoded, '/wrong' => "\x{fffd}", '/json' => "\"\xc3\xa4\"" }->{$_}, "decoded_content: $_") for sort keys %decoded;

# --- Names of files are bytes
for my $kind (@STRINGS) {
    my $name = { %as_utf8, flagged => "\xe4" }->{$kind};
    for my $way (qw(helper old)) {
        my $directory = File::Temp->newdir;
        my %params = (url => $web->url('/bytes/3'), path => "$directory/$STRING{$kind}");
        my $answer = $way eq 'old' ? old('download', %params) : $bridge->call('http_helper.download', \%params);
        is(join(',', names("$directory")), $name, "file, $kind, by $way");
        is($answer->{path}, $params{path}, '... told as it was given');
        my $sent = $bridge->call('http_helper.upload', { %params, url => $web->url('/e') });
        is(JSON::PP::decode_json($sent->{content})->{body}, 'xxx', '... and found again');
    }
    # Perl itself opens these, by what it keeps the name as.
    my $kept = $kind eq 'flagged' ? "\xc3\xa4" : $name;
    my $directory = File::Temp->newdir;
    no warnings 'utf8';
    $ua->get($web->url('/bytes/3'), ':content_file' => "$directory/$STRING{$kind}");
    is(join(',', names("$directory")), $kept, "file, $kind, by lwp");
    $tiny->mirror($web->url('/bytes/3'), "$directory/$STRING{$kind}");
    is(join(',', names("$directory")), $kept, "file, $kind, by tiny");
}

sub names {
    my ($directory) = @_;
    opendir my $all, $directory or die $!;
    return sort grep { !/\A\.\.?\z/ } readdir $all;
}

done_testing;
