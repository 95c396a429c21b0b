#!/usr/bin/env perl
# What scripts do with HTTP::Tiny, with the class that is named, against the server at a URL; prints what they see as JSON. See
# README.md.
use strict;
use warnings;

use File::Temp qw(tempdir);
use JSON::PP;

my ($class, $base) = @ARGV;
eval "require $class; 1" or die $@;    ## no critic (ProhibitStringyEval)
my $tmp = tempdir(CLEANUP => 1);
my @results;

sub seen {
    my ($response) = @_;
    return [@{$response}{qw(status content)}] if $response->{status} != 200;
    my $request = decode_json($response->{content});
    delete @{ $request->{headers} }{qw(host connection te)};
    $request->{headers}{'user-agent'} =~ s/\A(?:HTTP-Tiny|CPANBridge-HTTP)\/\S+\z/DEFAULT/ if $request->{headers}{'user-agent'};
    return [@{$request}{qw(method target body)}, $request->{headers}];
}

sub slurp { open my $file, '<', $_[0] or return undef; local $/; return readline $file }

sub scenario {
    my ($name, $code) = @_;
    my @values = eval { $code->($class->new(timeout => 5)) };
    my $error = $@;
    $error =~ s/ at \S+ line \d+\.?\n?//g;
    my $text = JSON::PP->new->canonical->ascii->allow_nonref->allow_blessed->encode([@values]);
    $text =~ s/\Q$base\E/BASE/g;
    $text =~ s/\Q$tmp\E/TMP/g;
    push @results, { name => $name, values => decode_json($text), $error ne '' ? (error => $error) : () };
    return;
}

scenario('a page', sub { my $r = $_[0]->get("$base/many"); return [sort keys %$r], @{$r}{qw(success status reason content url)}, $r->{headers}{'x-many'}, $r->{headers}{'content-type'} });
scenario('what a plain request says', sub { return seen($_[0]->get("$base/echo?a=1")) });
scenario('headers', sub { return seen($_[0]->get("$base/echo", { headers => { 'X-One' => 1, 'x-two' => ['a', 'b'], 'User-Agent' => 'mine' } })) });
scenario('headers of all requests', sub { my $h = $class->new(default_headers => { 'X-All' => 'yes' }, agent => 'mine/1'); return $h->agent, seen($h->get("$base/echo")) });
scenario('content', sub { return seen($_[0]->post("$base/echo", { content => "bytes\x00\xff" })) });
scenario('content with its type', sub { return seen($_[0]->request('PUT', "$base/echo", { content => '{}', headers => { 'content-type' => 'application/json' } })) });
scenario('content from a code reference', sub { my @p = ('one ', 'two'); my $s = seen($_[0]->post("$base/echo", { content => sub { shift @p } })); delete @{ $s->[3] }{qw(transfer-encoding content-length)}; return $s });
scenario('a form', sub { return seen($_[0]->post_form("$base/echo", { b => ['x y', 'z'], a => "\x{e4}&" })) });
scenario('a form in order', sub { return seen($_[0]->post_form("$base/echo", [z => 1, a => 2], { headers => { 'X-A' => 'b' } })) });
scenario('urlencoding', sub { my ($h) = @_; return $h->www_form_urlencode({ a => 'b c', 'd&' => [1, '~-._*'] }), $h->www_form_urlencode([x => undef, y => "\x{263a}"]) });
scenario('methods', sub { my ($h) = @_; return map { my $m = $_; seen($h->$m("$base/echo"))->[0] } qw(get post put patch delete) });
scenario('head', sub { my $r = $_[0]->head("$base/bytes/10"); return $r->{status}, defined $r->{content} ? $r->{content} : '', $r->{headers}{'content-length'} });
for my $status (204, 404, 500) {
    scenario("status $status", sub { my $r = $_[0]->get("$base/status/$status"); return @{$r}{qw(success status reason)}, defined $r->{content} ? $r->{content} : '' });
}
for my $status (301, 302, 303, 307, 308) {
    scenario("redirect $status", sub {
        my ($h) = @_;
        my $get = $h->get("$base/redirect/$status/echo", { headers => { 'X-A' => 'b' } });
        my $post = $h->post("$base/redirect/$status/echo", { content => 'body', headers => { 'Content-Type' => 'text/x' } });
        return seen($get), $get->{url}, [map { $_->{status} } @{ $get->{redirects} }], $post->{status}, $post->{url}, $post->{status} == 200 ? seen($post)->[0] : undef;
    });
}
scenario('redirects end', sub { my $r = $_[0]->get("$base/loop"); return $r->{status}, scalar @{ $r->{redirects} }, $r->{url} });
scenario('no redirects', sub { my $r = $class->new(max_redirect => 0)->get("$base/redirect/302/echo"); return $r->{status}, $r->{headers}{location} });
scenario('nobody listens', sub { my $r = $_[0]->get('http://127.0.0.1:1/'); return @{$r}{qw(success status reason url)}, $r->{content} =~ /\ACould not connect to '127\.0\.0\.1:1': Connection refused/ ? 1 : $r->{content}, $r->{headers}{'content-type'} });
scenario('what is no URL', sub { my $r = $_[0]->get('no/url'); return @{$r}{qw(status reason)}, $r->{content} =~ /Cannot parse URL: 'no\/url'/ ? 1 : $r->{content} });
scenario('a server that does nothing', sub { my $h = $class->new(timeout => 1); my $r = $h->get("$base/slow"); return $r->{status}, $r->{content} =~ /\ATimed out while waiting for socket to become ready for reading/ ? 1 : $r->{content} });
scenario('a body that is cut off', sub { my $r = $_[0]->get("$base/cut"); return $r->{status} });
scenario('chunks', sub { return $_[0]->get("$base/chunked")->{content} });
scenario('into a callback', sub { my ($n, $s) = (0, ''); my $r = $_[0]->get("$base/bytes/100000", { data_callback => sub { $n += length $_[0]; $s = $_[1]{status} } }); return $r->{status}, $n, $s, defined $r->{content} ? length $r->{content} : undef });
scenario('a failure is not for the callback', sub { my $n = 0; my $r = $_[0]->get("$base/status/404", { data_callback => sub { $n++ } }); return $r->{status}, $n, $r->{content} });
scenario('a callback that dies', sub { my $r = $_[0]->get("$base/bytes/10", { data_callback => sub { die "enough\n" } }); return $r->{status}, $r->{content} });
scenario('max_size', sub { my $r = $class->new(max_size => 10)->get("$base/bytes/100"); return $r->{status}, $r->{content} =~ /\ASize of response body exceeds the maximum allowed of 10/ ? 1 : $r->{content} });
scenario('wide content', sub { my $r = $_[0]->post("$base/echo", { content => "\x{263a}" }); return $r->{status}, $r->{content} =~ /Wide character/ ? 1 : $r->{content} });
scenario('credentials in the URL', sub { (my $url = "$base/basic") =~ s{//}{//me:hush\@}; return $_[0]->get($url)->{content} });
scenario('mirror', sub {
    my ($h) = @_;
    my $first = $h->mirror("$base/file", "$tmp/m");
    my $second = $h->mirror("$base/file", "$tmp/m");
    my $none = $h->mirror("$base/status/404", "$tmp/none");
    return @{$first}{qw(success status)}, slurp("$tmp/m"), (stat "$tmp/m")[9], @{$second}{qw(success status)}, @{$none}{qw(success status)}, -e "$tmp/none" ? 1 : 0;
});
scenario('a proxy', sub { my $h = $class->new(http_proxy => $base, no_proxy => ['127.0.0.1']); return $h->get('http://unreachable.invalid/x')->{content}, $h->get("$base/status/200")->{content} });
scenario('the proxy of the environment', sub { local %ENV = (%ENV, http_proxy => $base, no_proxy => 'exempt.invalid,127.0.0.1'); my $h = $class->new; return $h->get('http://unreachable.invalid/x')->{status}, $h->get('http://exempt.invalid/')->{status}, $h->no_proxy });
scenario('attributes', sub { my $h = $class->new(timeout => 3, max_redirect => 2); my $old = $h->timeout; $h->timeout(7); return $old, $h->timeout, $h->max_redirect, $class->new->max_redirect, $class->new->timeout, $h->keep_alive });
scenario('wrong use', sub { my ($h) = @_; return map { my $try = $_; eval { $try->(); 1 } ? 'fine' : $@ =~ /\AUsage: / ? 'usage' : $@ } sub { $h->get }, sub { $h->get("$base/", []) }, sub { $h->request('GET') }, sub { $h->mirror("$base/") }, sub { $h->www_form_urlencode('x') } });
scenario('host is not for scripts', sub { my $r = $_[0]->get("$base/", { headers => { Host => 'x' } }); return $r->{status}, $r->{content} =~ /\AThe 'Host' header must not be provided as header option/ ? 1 : $r->{content} });
scenario('a cookie jar', sub {
    { package My::Jar; sub new { return bless {} } sub add { push @{ $_[0]{added} }, $_[2]; return } sub cookie_header { return 'c=1' } }
    my $jar = My::Jar->new;
    my $h = $class->new(cookie_jar => $jar);
    $h->get("$base/set");
    return $jar->{added}, $h->get("$base/cookies")->{content};
});

print JSON::PP->new->canonical->ascii->pretty->encode(\@results);
