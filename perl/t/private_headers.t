# What identifies a script stays with the server that it was meant for; equal strings are equal bytes.
use strict;
use warnings;
use lib 'perl/t/lib', 'perl/lib', 'perl/compat';
use Test::More;
use CPANBridge::HTTP;
use File::Temp qw(tempdir);
use HTTP::Request::Common ();
use JSON::PP ();
use LWP::UserAgent;
use MIME::Base64 ();
use TestBroker;
use TestWeb;

like($INC{'LWP/UserAgent.pm'}, qr/compat/, 'this is the stand-in');
delete @ENV{grep { /_proxy\z/i } keys %ENV};
my $broker = TestBroker->start;
$ENV{CPAN_BRIDGE_SOCKET} = $broker->socket_path;

# Each answers with what it was asked, as JSON.
my $tell = sub {
    my ($client, $request) = @_;
    return TestWeb::reply($client, $request, '200 OK', [], JSON::PP->new->latin1->encode({ %$request, spelt => undef }));
};
my $away;
my $home = TestWeb->start('/told' => $tell, '/login' => sub {
    my ($client, $request) = @_;
    return $tell->(@_) if $request->{headers}{authorization};
    return TestWeb::reply($client, $request, '401 Who', ['WWW-Authenticate' => 'Basic realm="r"'], 'who?');
});
$away = TestWeb->start(
    '/told' => $tell,
    '/back' => sub { my ($client, $request) = @_; return TestWeb::reply($client, $request, '302 Back', [Location => $home->url('/told')], '') },
    '/login' => sub {
        my ($client, $request) = @_;
        return $tell->(@_) if $request->{headers}{authorization};
        return TestWeb::reply($client, $request, '401 Who', ['WWW-Authenticate' => 'Basic realm="r"'], 'who?');
    },
);
my $gate = TestWeb->start(map {
    my $path = $_;
    ("/to$path" => sub { my ($client, $request) = @_; return TestWeb::reply($client, $request, '302 Go', [Location => $away->url($path)], '') });
} '/told', '/back', '/login');
sub headers { return JSON::PP->new->latin1->decode($_[0])->{headers} }

my %private = (Authorization => 'Bearer hush', Cookie => 'a=hush', 'Proxy-Authorization' => 'hush', 'X-Api-Key' => 'hush');
my %all = (%private, 'X-Kept' => 'yes');
my $ua = LWP::UserAgent->new(private_headers => ['x-api-key']);
is_deeply([$ua->private_headers], ['x-api-key'], 'the names are had back');
$ua->default_header($_ => $all{$_}) for keys %all;
my $at_home = headers($ua->get($home->url('/told'))->content);
is_deeply({ map { $_ => $at_home->{ lc $_ } } keys %all }, \%all, 'LWP: default headers go to who is asked');
my $elsewhere = headers($ua->get($gate->url('/to/told'))->content);
is_deeply([map { $elsewhere->{ lc $_ } } sort keys %private], [(undef) x 4], 'and not to whom that sends on');
is($elsewhere->{'x-kept'}, 'yes', 'but for those that say nothing of the script');
$elsewhere = headers(LWP::UserAgent->new(private_headers => ['X-Api-Key'])->get($gate->url('/to/told'), %all)->content);
is_deeply([map { $elsewhere->{ lc $_ } } sort keys %all], [(undef) x 4, 'yes'], "LWP: a request's own headers neither");
$ua->credentials($away->url('') =~ m{//([^/]+)}, 'r', 'u', 'p');
$elsewhere = headers($ua->get($gate->url('/to/login'))->content);
is($elsewhere->{authorization}, 'Basic dTpw', 'LWP: where another server asks, it gets what is for it');
is_deeply([map { $elsewhere->{$_} } qw(cookie x-api-key)], [undef, undef], '... and the rest stays at home');
my $request = HTTP::Request::Common::GET($gate->url('/to/told'));
$ua->request($request);
$request->uri($home->url('/told'));
is(headers($ua->request($request)->content)->{cookie}, 'a=hush', 'LWP: a request that is used again begins anew');

my $http = CPANBridge::HTTP->new(default_headers => \%all, private_headers => ['X-Api-Key']);
is(headers($http->get($home->url('/told'))->{content})->{authorization}, 'Bearer hush', 'CPANBridge::HTTP: default headers go to who is asked');
$elsewhere = headers($http->get($gate->url('/to/told'))->{content});
is_deeply([map { $elsewhere->{ lc $_ } } sort keys %all], [(undef) x 4, 'yes'], '... and not elsewhere');
$elsewhere = headers(CPANBridge::HTTP->new->get($gate->url('/to/back'), { headers => \%all, private_headers => ['X-Api-Key'] })->{content});
is_deeply([map { $elsewhere->{ lc $_ } } sort keys %all], [(undef) x 4, 'yes'], "... nor a request's own, two servers on");

# --- Equal strings
my $plain = "p\xe4";
utf8::upgrade(my $flagged = $plain);
is($plain, $flagged, 'two strings that are equal');
for my $string ($plain, $flagged) {
    my $flag = utf8::is_utf8($string) ? 'flagged' : 'plain';
    my $asking = LWP::UserAgent->new;
    $asking->credentials($home->url('') =~ m{//([^/]+)}, 'r', 'u', $string);
    is(headers($asking->get($home->url('/login'))->content)->{authorization}, 'Basic ' . MIME::Base64::encode_base64("u:p\xe4", ''), "LWP, $flag: a password");
    my $answer = JSON::PP->new->latin1->decode(LWP::UserAgent->new->post($home->url('/told'), 'X-A' => $string, Content => $string)->content);
    is_deeply([$answer->{headers}{'x-a'}, $answer->{body}], [$plain, $plain], "LWP, $flag: a header and a body");
    $answer = JSON::PP->new->latin1->decode(CPANBridge::HTTP->new->post($home->url('/told'), { headers => { 'X-A' => [$string] }, content => $string })->{content});
    is_deeply([$answer->{headers}{'x-a'}, $answer->{body}], [$plain, $plain], "CPANBridge::HTTP, $flag: a header and a body");
}
is(CPANBridge::HTTP->new->get($home->url('/told'), { headers => { A => "\x{20ac}" } })->{status}, 599, 'wide characters are no header');
like(LWP::UserAgent->new->get($home->url('/told'), A => "\x{20ac}")->status_line, qr/\A500 Wide character/, 'with LWP either');

# Objects go as their text: a URI as Referer, say.
my $from = URI->new('http://from.example/');
for my $with (
    ['LWP', sub { LWP::UserAgent->new->get($home->url('/told'), Referer => $from)->content }],
    ['CPANBridge::HTTP', sub { CPANBridge::HTTP->new->get($home->url('/told'), { headers => { Referer => $from } })->{content} }],
    ['CPANBridge::HTTP, in a list', sub { CPANBridge::HTTP->new->get($home->url('/told'), { headers => { Referer => [$from] } })->{content} }],
) {
    my ($who, $get) = @$with;
    is(headers($get->())->{referer}, "$from", "$who: an object in a header");
}

# --- Files in forms
my $form = HTTP::Request::Common::POST('http://h/', Content_Type => 'form-data', Content => [
    "na\r\nme" => 'x', file => [undef, "a\r\nX-Evil: 1\r\n\r\n\"b\\.txt", Content => 'y'],
]);
like($form->content, qr/name="na%0D%0Ame"\r\n\r\nx\r\n/, "a line end in a field's name ends no line");
like($form->content, qr/filename="a%0D%0AX-Evil: 1%0D%0A%0D%0A\\"b\\\\\.txt"\r\n/, "nor in a file's");
unlike($form->content, qr/^X-Evil/m, 'so nothing is smuggled in');

# --- Targets that are no files
my $dir = tempdir(CLEANUP => 1);
symlink '/dev/null', "$dir/null" or die $!;
for my $what (
    ['CPANBridge::HTTP, mirror', sub { CPANBridge::HTTP->new->mirror($home->url('/told'), "$dir/null")->{status} }],
    ['LWP, mirror', sub { LWP::UserAgent->new->mirror($home->url('/told'), "$dir/null")->code }],
    ['LWP, :content_file', sub { LWP::UserAgent->new->get($home->url('/told'), ':content_file' => "$dir/null")->code }],
) {
    my ($name, $work) = @$what;
    is($work->(), 200, "$name: a device is written to");
    is_deeply([-l "$dir/null", -c _ ? 1 : 0], [1, 0], '... and stays what it is') if $name;
}
open my $there, '>', "$dir/page" or die $!;
close $there;
is(LWP::UserAgent->new->mirror($home->url('/told'), "$dir/page")->code, 200, 'a file is replaced');
opendir my $folder, $dir or die $!;
is_deeply([sort grep { !/\A\./ } readdir $folder], ['null', 'page'], 'and nothing is left beside it');

done_testing;
