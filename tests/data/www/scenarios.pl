#!/usr/bin/env perl
# What scripts do with LWP::UserAgent: runs against a server at the URL that is given, with whatever modules are found, and
# prints what they see as JSON. See README.md.
use strict;
use warnings;

use File::Temp qw(tempdir);
use HTTP::Cookies;
use HTTP::Request::Common qw(GET POST);
use JSON::PP;
use LWP::UserAgent;
use LWP::Simple ();

my $base = shift;
my $tmp = tempdir(CLEANUP => 1);
my @results;

# What the server saw of a request, without what depends on how it came.
sub seen {
    my ($response) = @_;
    my $request = decode_json($response->content);
    delete @{ $request->{headers} }{qw(host te connection accept)};
    return [@{$request}{qw(method target body)}, $request->{headers}];
}

sub slurp {
    my ($path) = @_;
    open my $file, '<', $path or return undef;
    local $/;
    return readline $file;
}

sub scenario {
    my ($name, $code) = @_;
    my @values = eval { $code->(LWP::UserAgent->new(timeout => 10)) };
    my $error = $@;
    $error =~ s/ at \S+ line \d+\.?\n?//g;
    my $text = JSON::PP->new->canonical->ascii->allow_nonref->allow_blessed->encode([@values]);
    # Ports and processes differ from run to run.
    $text =~ s/ at \S+ line \d+\.//g;
    $text =~ s/\Q$base\E/BASE/g;
    $text =~ s/\Q$tmp\E/TMP/g;
    $error =~ s/\Q$tmp\E/TMP/g;
    push @results, { name => $name, values => decode_json($text), $error ne '' ? (error => $error) : () };
    return;
}

scenario('a page', sub {
    my ($ua) = @_;
    my $r = $ua->get("$base/many");
    return $r->code, $r->message, $r->status_line, $r->content, length $r->decoded_content, $r->content_type, $r->protocol,
        [$r->header('X-Many')], scalar $r->header('x-many'), $r->is_success ? 1 : 0, $r->request->method, $r->request->uri->as_string, $r->base->as_string,
        defined $r->previous ? 1 : 0, ref $r, defined $r->header('Client-Date') ? 1 : 0;
});
scenario('what a plain request says', sub { return seen($_[0]->get("$base/echo?a=1&b=%20x")) });
scenario('headers of one request', sub { return seen($_[0]->get("$base/echo", 'X-Odd-name' => 'v', Accept_Language => 'de', Multi => [1, 2])) });
scenario('headers of all requests', sub {
    my ($ua) = @_;
    $ua->agent('mine/1 ');
    $ua->from('me@example.com');
    $ua->default_header('X-All' => 'yes');
    $ua->default_header('X-Own' => 'default');
    return $ua->agent, seen($ua->get("$base/echo", 'X-Own' => 'given'));
});
scenario('no agent', sub { my ($ua) = @_; $ua->agent(''); return [map { $_ eq 'user-agent' ? () : $_ } keys %{ seen($ua->get("$base/echo"))->[3] }] });
scenario('a form', sub { return seen($_[0]->post("$base/echo", [a => 'b c', d => "\x{e4}&"])) });
scenario('a form and headers', sub { return seen($_[0]->post("$base/echo", { a => 1 }, 'X-A' => 'b')) });
scenario('raw content', sub { return seen($_[0]->post("$base/echo", Content_Type => 'application/json', Content => '{"a":1}')) });
scenario('put', sub { return seen($_[0]->put("$base/echo", Content => "bytes \x00\xff")) });
scenario('patch', sub { return seen($_[0]->patch("$base/echo", Content => 'p')) });
scenario('delete', sub { return seen($_[0]->delete("$base/echo")) });
scenario('head', sub { my $r = $_[0]->head("$base/bytes/10"); return $r->code, $r->content, $r->header('Content-Length') });
scenario('a request object', sub {
    my ($ua) = @_;
    my $q = HTTP::Request->new(POST => "$base/echo", ['Content-Type' => 'text/plain'], 'hello');
    my $r = $ua->request($q);
    return seen($r), $q->header('User-Agent') ? 1 : 0;
});
scenario('a file is uploaded', sub {
    my ($ua) = @_;
    open my $file, '>', "$tmp/up.txt" or die;
    print {$file} "file content\n";
    close $file;
    my $r = $ua->post("$base/echo", Content_Type => 'form-data', Content => [name => 'x', file => ["$tmp/up.txt"]]);
    return seen($r);
});
scenario('content from a code reference', sub {
    my ($ua) = @_;
    my @pieces = ('one ', 'two ', 'three');
    my $q = HTTP::Request->new(POST => "$base/echo", ['Content-Type' => 'text/plain', 'Content-Length' => 13]);
    $q->content(sub { shift @pieces });
    return seen($ua->request($q));
});
for my $status (200, 204, 304, 400, 404, 500, 503) {
    scenario("status $status", sub {
        my $r = $_[0]->get("$base/status/$status");
        return $r->code, $r->status_line, $r->content, map { $r->$_ ? 1 : 0 } qw(is_success is_error is_redirect is_client_error is_server_error);
    });
}
for my $status (301, 302, 303, 307, 308) {
    for my $method (qw(GET POST HEAD)) {
        scenario("redirect $status of $method", sub {
            my ($ua) = @_;
            push @{ $ua->requests_redirectable }, 'POST';
            my $q = HTTP::Request->new($method => "$base/redirect/$status/echo", [$method eq 'POST' ? ('Content-Type' => 'text/x') : ()], $method eq 'POST' ? 'body' : ());
            my $r = $ua->request($q);
            return $r->code, $method eq 'HEAD' ? () : seen($r), $r->request->method, $r->request->uri->as_string, scalar $r->redirects, $r->previous ? $r->previous->code : undef,
                $r->base->as_string;
        });
    }
}
scenario('a redirect of a post is not followed', sub { my $r = $_[0]->post("$base/redirect/302/echo", [a => 1]); return $r->code, $r->header('Location') });
scenario('redirects end', sub { my ($ua) = @_; my $r = $ua->get("$base/loop"); return $r->code, scalar $r->redirects, $r->header('Client-Warning') });
scenario('no redirects', sub { my $r = LWP::UserAgent->new(max_redirect => 0)->get("$base/redirect/302/echo"); return $r->code, $r->header('Client-Warning') });
scenario('one redirect', sub { my $r = LWP::UserAgent->new(max_redirect => 1)->get("$base/redirect/302/redirect/302/echo"); return $r->code, scalar $r->redirects });
scenario('simple_request', sub { my $r = $_[0]->simple_request(GET "$base/redirect/302/echo"); return $r->code });
scenario('a redirect to a file', sub { my $r = $_[0]->get("$base/to?file:///etc/passwd"); return $r->code, $r->header('Client-Warning') });
scenario('a redirect without a location', sub { my $r = $_[0]->get("$base/status/302"); return $r->code });
scenario('nobody listens', sub {
    my $r = $_[0]->get('http://127.0.0.1:1/');
    (my $content = $r->content) =~ s/ at .*//s;
    return $r->code, $r->status_line, $r->header('Client-Warning'), $r->content_type, (split /\n/, $content)[0, 2], $r->is_error ? 1 : 0;
});
scenario('an unknown host', sub { my $r = $_[0]->get('http://no-such-host.invalid/'); return $r->code, $r->message =~ /\ACan't connect to no-such-host\.invalid:80/ ? 1 : $r->message });
scenario('a server that does nothing', sub { my ($ua) = @_; $ua->timeout(1); my $r = $ua->get("$base/slow"); return $r->code, $r->status_line, $r->header('Client-Warning') });
scenario('a server that stops', sub { my ($ua) = @_; $ua->timeout(1); my $r = $ua->get("$base/slow?"); return $r->code, $r->content, $r->header('Client-Aborted'), $r->header('X-Died') });
scenario('a body that is cut off', sub { my $r = $_[0]->get("$base/cut"); return $r->code, $r->content =~ /\Ahalf/ ? 1 : 0 });
scenario('chunks', sub { my $r = $_[0]->get("$base/chunked"); return $r->code, $r->content });
scenario('basic authentication', sub {
    my ($ua) = @_;
    my $none = $ua->get("$base/basic");
    my ($netloc) = $base =~ m{//(.*)};
    $ua->credentials($netloc, 'here', 'me', 'hush');
    my $r = $ua->get("$base/basic");
    return $none->code, $r->code, $r->content, $r->previous->code, scalar $ua->credentials($netloc, 'here'), [$ua->credentials($netloc, 'here')];
});
scenario('wrong credentials', sub { my ($ua) = @_; $ua->credentials($base =~ m{//(.*)}, 'here', 'me', 'wrong'); my $r = $ua->get("$base/basic"); return $r->code, $r->content });
scenario('credentials in the URL', sub { (my $url = "$base/basic") =~ s{//}{//me:hush\@}; my $r = $_[0]->get($url); return $r->code, $r->content });
scenario('digest authentication', sub { my ($ua) = @_; $ua->credentials($base =~ m{//(.*)}, 'there', 'me', 'hush'); my $r = $ua->get("$base/digest"); return $r->code, $r->content });
scenario('wrong digest', sub { my ($ua) = @_; $ua->credentials($base =~ m{//(.*)}, 'there', 'me', 'wrong'); my $r = $ua->get("$base/digest"); return $r->code });
scenario('cookies', sub {
    my $ua = LWP::UserAgent->new(cookie_jar => {});
    my $set = $ua->get("$base/set");
    my $r = $ua->get("$base/cookies");
    return [$set->header('Set-Cookie')], join('; ', sort split /; /, $r->content), LWP::UserAgent->new->get("$base/cookies")->content;
});
scenario('a jar in a file', sub {
    my $jar = HTTP::Cookies->new(file => "$tmp/jar", autosave => 1, ignore_discard => 1);
    my $ua = LWP::UserAgent->new;
    $ua->cookie_jar($jar);
    $ua->get("$base/set");
    undef $jar;
    undef $ua;
    my $again = LWP::UserAgent->new(cookie_jar => HTTP::Cookies->new(file => "$tmp/jar"));
    return join '; ', sort split /; /, $again->get("$base/cookies")->content;
});
scenario('into a file', sub { my $r = $_[0]->get("$base/bytes/100000", ':content_file' => "$tmp/got"); return $r->code, $r->content, -s "$tmp/got" });
scenario('a failure is not for the file', sub { my $r = $_[0]->get("$base/status/404", ':content_file' => "$tmp/none"); return $r->code, $r->content, -e "$tmp/none" ? 1 : 0 });
scenario('a file that can not be', sub { my $r = $_[0]->get("$base/bytes/10", ':content_file' => "$tmp/no/such"); return $r->code, $r->header('X-Died'), $r->header('Client-Aborted') });
scenario('into a callback', sub {
    my ($length, $codes) = (0, '');
    my $r = $_[0]->get("$base/bytes/100000", ':content_cb' => sub { my ($data, $response) = @_; $length += length $data; $codes = $response->code });
    return $r->code, $r->content, $length, $codes;
});
scenario('a callback that dies', sub {
    my $r = $_[0]->get("$base/bytes/1000", ':content_cb' => sub { die "enough\n" });
    return $r->code, $r->header('X-Died'), $r->header('Client-Aborted');
});
scenario('request with a callback', sub { my $all = ''; my $r = $_[0]->request(GET("$base/chunked"), sub { $all .= $_[0] }); return $r->code, $all });
scenario('request with a file', sub { my $r = $_[0]->request(GET("$base/chunked"), "$tmp/chunked"); return $r->code, slurp("$tmp/chunked") });
scenario('max_size', sub { my ($ua) = @_; $ua->max_size(1000); my $r = $ua->get("$base/bytes/100000"); return $r->code, length $r->content >= 1000 ? 1 : 0, $r->header('Client-Aborted') });
scenario('max_size asks for a range', sub { my ($ua) = @_; $ua->max_size(1000); return seen($ua->get("$base/echo")) });
scenario('mirror', sub {
    my ($ua) = @_;
    my $first = $ua->mirror("$base/file", "$tmp/mirror");
    my $second = $ua->mirror("$base/file", "$tmp/mirror");
    my $none = $ua->mirror("$base/status/404", "$tmp/mirror404");
    return $first->code, slurp("$tmp/mirror"), (stat "$tmp/mirror")[9], $second->code, $none->code, -e "$tmp/mirror404" ? 1 : 0;
});
scenario('handlers', sub {
    my ($ua) = @_;
    my @seen;
    $ua->add_handler(request_prepare => sub { my ($q) = @_; push @seen, 'prepare'; $q->header('X-Handler' => 1); return });
    $ua->add_handler(request_send => sub { push @seen, 'send'; return });
    $ua->add_handler(response_header => sub { push @seen, 'header'; return });
    $ua->add_handler(response_data => sub { push @seen, 'data'; return 1 });
    $ua->add_handler(response_done => sub { my ($r) = @_; push @seen, 'done ' . $r->code; return });
    my $r = $ua->get("$base/echo");
    return \@seen, seen($r);
});
scenario('a handler answers', sub {
    my ($ua) = @_;
    $ua->add_handler(request_send => sub { return HTTP::Response->new(299, 'Mine', [], 'of my own') });
    my $r = $ua->get('http://unreachable.invalid/');
    return $r->code, $r->message, $r->content, $r->request->uri->as_string;
});
scenario('handlers for some', sub {
    my ($ua) = @_;
    my @seen;
    $ua->add_handler(response_done => sub { push @seen, $_[0]->code; return }, m_code => 404);
    $ua->add_handler(request_prepare => sub { $_[0]->header('X-Echo' => 1); return }, m_path_prefix => '/echo');
    $ua->get("$base/status/404");
    $ua->get("$base/status/500");
    return \@seen, seen($ua->get("$base/echo"));
});
scenario('handlers are taken out', sub {
    my ($ua) = @_;
    my $count = 0;
    $ua->add_handler(response_done => sub { $count++; return }, owner => 'me');
    $ua->get("$base/status/200");
    my @gone = $ua->remove_handler(response_done => (owner => 'me'));
    $ua->get("$base/status/200");
    return $count, scalar @gone;
});
scenario('a redirect handler', sub {
    my ($ua) = @_;
    $ua->add_handler(response_redirect => sub { my ($r) = @_; return $r->code == 404 ? GET("$base/status/200") : undef });
    my $r = $ua->get("$base/status/404");
    return $r->code, $r->previous->code;
});
scenario('what is no URL', sub { return map { my $r = $_[0]->get($_); $r->code . ' ' . $r->message } 'relative', '', '/path' });
scenario('schemes', sub {
    my ($ua) = @_;
    my @codes = map { my $r = $ua->get($_); $r->code } 'unknown://host/';
    $ua->protocols_allowed(['https']);
    my $r = $ua->get("$base/echo");
    push @codes, $r->code, $r->message, $ua->is_protocol_supported('http') ? 1 : 0;
    $ua->protocols_allowed(undef);
    $ua->protocols_forbidden(['http']);
    $r = $ua->get("$base/echo");
    return @codes, $r->code, $r->message;
});
scenario('what the head of a page says', sub {
    my $r = $_[0]->get("$base/page");
    return $r->header('Title'), $r->title, $r->base->as_string, $r->header('X-Meta-Author'), $r->header('Refresh'), $r->header('Link');
});
scenario('the head is left alone', sub { my ($ua) = @_; $ua->parse_head(0); my $r = $ua->get("$base/page"); return $r->title });
scenario('compressed', sub {
    my ($ua) = @_;
    my $plain = $ua->get("$base/gzip");
    my $r = $ua->get("$base/gzip", 'Accept-Encoding' => scalar HTTP::Message::decodable());
    return length $plain->content, $plain->header('Content-Encoding'), $r->header('Content-Encoding'), length $r->decoded_content, length $r->content < 100 ? 1 : 0;
});
scenario('a proxy', sub {
    my ($ua) = @_;
    $ua->proxy('http', $base);
    $ua->no_proxy('127.0.0.1');
    my $r = $ua->get('http://unreachable.invalid/x');
    return $r->code, $r->content, $ua->proxy('http'), $ua->get("$base/status/200")->code;
});
scenario('a proxy with a password', sub { my ($ua) = @_; (my $p = $base) =~ s{//}{//me:hush\@}; $ua->proxy(['http', 'ftp'], $p); return $ua->get('http://unreachable.invalid/x')->content });
scenario('the proxy of the environment', sub {
    local %ENV = (%ENV, http_proxy => $base, no_proxy => 'exempt.invalid');
    my $ua = LWP::UserAgent->new(env_proxy => 1);
    return $ua->get('http://unreachable.invalid/x')->code, $ua->get('http://exempt.invalid/x')->code;
});
scenario('a local file', sub {
    my ($ua) = @_;
    open my $file, '>', "$tmp/local.txt" or die;
    print {$file} 'local';
    close $file;
    my $r = $ua->get("file://$tmp/local.txt");
    return $r->code, $r->content, $r->content_type, $r->header('Content-Length'), $ua->get("file://$tmp/none")->code;
});
scenario('attributes', sub {
    my $ua = LWP::UserAgent->new(agent => 'a', timeout => 5, max_redirect => 3, from => 'f', ssl_opts => { verify_hostname => 0 }, keep_alive => 1, parse_head => 0);
    my $old = $ua->timeout(9);
    return $ua->agent, $old, $ua->timeout, $ua->max_redirect, $ua->from, $ua->ssl_opts('verify_hostname'), $ua->parse_head ? 1 : 0, $ua->requests_redirectable,
        ref $ua->conn_cache, ref $ua->default_headers, LWP::UserAgent->new->ssl_opts('verify_hostname'), [LWP::UserAgent->new->ssl_opts], ref $ua->clone;
});
scenario('a clone goes its own way', sub {
    my $ua = LWP::UserAgent->new(agent => 'one');
    my $clone = $ua->clone;
    $clone->agent('two');
    $clone->default_header('X-A' => 1);
    return seen($ua->get("$base/echo")), seen($clone->get("$base/echo"));
});
scenario('a class of the script\'s own', sub {
    { package My::UA; our @ISA = ('LWP::UserAgent'); sub get_basic_credentials { return ('me', 'hush') } sub redirect_ok { return 0 } sub _agent { return 'mine/3' } }
    my $ua = My::UA->new;
    return $ua->get("$base/basic")->code, $ua->get("$base/redirect/302/echo")->code, seen($ua->get("$base/echo"));
});
scenario('progress', sub {
    our @WATCHED = ();
    { package My::Watcher; our @ISA = ('LWP::UserAgent'); sub progress { my ($self, $status, $m) = @_; push @main::WATCHED, $status =~ /\A(?:begin|tick|end)\z/ ? $status : 'part', ref $m; return } }
    My::Watcher->new->get("$base/bytes/10");
    my %first;
    return [@WATCHED[0, 1]], [@WATCHED[-2, -1]], [sort grep { !$first{$_}++ } @WATCHED];
});
scenario('LWP::Simple', sub {
    my @head = LWP::Simple::head("$base/file");
    return LWP::Simple::get("$base/many") eq "\x{e4}" ? 1 : 0, LWP::Simple::get("$base/status/404"), LWP::Simple::getstore("$base/file", "$tmp/simple"), slurp("$tmp/simple"),
        @head[0 .. 2], LWP::Simple::mirror("$base/file", "$tmp/simple"), LWP::Simple::is_success(200) ? 1 : 0;
});

print JSON::PP->new->canonical->ascii->pretty->encode(\@results);
