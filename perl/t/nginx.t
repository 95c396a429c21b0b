# Against a real web server, plain and over TLS.
use strict;
use warnings;
use lib 'perl/t/lib', 'perl/lib', 'perl/compat';
use Test::More;
use CPANBridge;
use CPANBridge::HTTP;
use Digest::MD5 qw(md5_hex);
use File::Temp qw(tempdir);
use LWP::UserAgent;
use TestBroker;
use TestNginx;

delete @ENV{grep { /_proxy\z/i || /\APERL_LWP_|\AHTTPS_/ } keys %ENV};
my $nginx = TestNginx->start;
plan skip_all => 'nginx is not installed: no tests against a real web server' if !$nginx;
like($INC{'LWP/UserAgent.pm'}, qr/compat/, 'this is the stand-in');
my $broker = TestBroker->start;
$ENV{CPAN_BRIDGE_SOCKET} = $broker->socket_path;
my $www = $nginx->directory;

sub put {
    my ($name, $content) = @_;
    open my $file, '>', "$www/$name" or die $!;
    binmode $file;
    print {$file} $content;
    close $file;
    return $content;
}
my $text  = put('text.txt',  'a line of text, again and again, ' x 100);
my $large = put('large.bin', join '', map { chr($_ % 253) } 0 .. 10_000_000);

my $ua = LWP::UserAgent->new(ssl_opts => { SSL_ca_file => $nginx->{ca} });
for my $scheme (qw(http https)) {
    my $response = $ua->get($nginx->$scheme('/scheme'));
    like($response->content, qr/\A$scheme /, "$scheme: a page");
    is($response->code, 200, "$scheme: is there");
    is($ua->get($nginx->$scheme('/none'))->status_line, '404 Not Found', "$scheme: one that is not");
    is($ua->get($nginx->$scheme('/text.txt'))->content, $text, "$scheme: a file");
    my $packed = $ua->get($nginx->$scheme('/text.txt'), 'Accept-Encoding' => 'gzip');
    is($packed->header('Content-Encoding'), 'gzip', "$scheme: compressed");
    is($packed->decoded_content, $text, "$scheme: and undone");
    is(md5_hex($ua->get($nginx->$scheme('/large.bin'))->content), md5_hex($large), "$scheme: a large file");
    my $part = $ua->get($nginx->$scheme('/large.bin'), Range => 'bytes=10-19');
    is_deeply([$part->code, $part->content], [206, substr $large, 10, 10], "$scheme: a part of it");
    my $head = $ua->head($nginx->$scheme('/large.bin'));
    is_deeply([$head->content, $head->header('Content-Length')], ['', length $large], "$scheme: its head");
    my $posted = $ua->post($nginx->$scheme('/received'), Content => $large);
    is($posted->content, 'POST ' . length $large, "$scheme: a large body is taken");
    my $keeps = LWP::UserAgent->new(ssl_opts => { SSL_ca_file => $nginx->{ca} }, keep_alive => 1);
    my @connections = map { $keeps->get($nginx->$scheme('/connection'))->content } 1 .. 5;
    is_deeply([grep { $_ ne $connections[0] } @connections], [], "$scheme: one connection for all");
    my %own = map { $ua->get($nginx->$scheme('/connection'))->content => 1 } 1 .. 5;
    is(scalar keys %own, 5, "$scheme: one for each, where the script does not want them kept");
    my $dir = tempdir(CLEANUP => 1);
    my $mirrored = $ua->mirror($nginx->$scheme('/large.bin'), "$dir/mirror");
    is($mirrored->code, 200, "$scheme: mirrored");
    is($ua->mirror($nginx->$scheme('/large.bin'), "$dir/mirror")->code, 304, "$scheme: not again");
    is((stat "$dir/mirror")[9], (stat "$www/large.bin")[9], "$scheme: of the same time");
    my $download = CPANBridge->new->call('http_helper.download', { url => $nginx->$scheme('/large.bin'), path => "$dir/got", verify_ssl => 0 });
    is($download->{bytes}, length $large, "$scheme: downloaded by the broker itself");
}

# --- Redirects between the two
my $to_tls = $ua->get($nginx->http('/to-https'));
like($to_tls->content, qr/\Ahttps TLS/, 'from http to https');
is($to_tls->base, $nginx->https('/scheme'), 'that is where it came from');
my $down = $ua->get($nginx->https('/to-http'), Authorization => 'Bearer hush', Referer => 'https://secret.example/');
like($down->content, qr/\|\z/, 'from https to http no credentials are taken along');

# --- Whom it trusts
my $unsure = LWP::UserAgent->new->get($nginx->https('/scheme'));
is($unsure->code, 500, 'an authority nobody knows');
like($unsure->status_line, qr/Can't connect to 127\.0\.0\.1:\d+ \(certificate verify failed/, 'is not believed');
is($unsure->header('Client-Warning'), 'Internal response', 'and says who says so');
my $careless = LWP::UserAgent->new(ssl_opts => { verify_hostname => 0, SSL_verify_mode => 0 })->get($nginx->https('/scheme'));
is($careless->code, 200, 'who does not look gets it');
{
    local $ENV{PERL_LWP_SSL_VERIFY_HOSTNAME} = 0;
    is(LWP::UserAgent->new->get($nginx->https('/scheme'))->code, 500, 'who does not compare names has an authority asked for all the same');
}
{
    local $ENV{PERL_LWP_SSL_CA_FILE} = $nginx->{ca};
    is(LWP::UserAgent->new->get($nginx->https('/scheme'))->code, 200, 'the authority from the environment');
}
my $asked = "https://127.0.0.1:$nginx->{asking}/";
is($ua->get($asked)->code, 400, 'a server that wants a certificate');
my $shown = LWP::UserAgent->new(ssl_opts => { SSL_ca_file => $nginx->{ca}, map { ("SSL_${_}_file" => "$nginx->{tls}/client." . ($_ eq 'cert' ? 'pem' : 'key')) } qw(cert key) })->get($asked);
is($shown->content, 'CN=A client in tests', 'and gets one');
like(LWP::UserAgent->new(ssl_opts => { SSL_ca_file => '/nonexistent' })->get($asked)->message, qr{SSL_ca_file /nonexistent can't be used: No such file}, 'a file that is not there');

# --- CPANBridge::HTTP
my $http = CPANBridge::HTTP->new(SSL_options => { SSL_ca_file => $nginx->{ca} });
like($http->get($nginx->https('/scheme'))->{content}, qr/\Ahttps TLS/, 'CPANBridge::HTTP speaks TLS');
is(CPANBridge::HTTP->new->get($nginx->https('/scheme'))->{status}, 599, 'and checks certificates');
is(CPANBridge::HTTP->new(verify_SSL => 0)->get($nginx->https('/scheme'))->{status}, 200, 'unless it is told not to');
my $sum = '';
$http->get($nginx->https('/large.bin'), { data_callback => sub { $sum .= $_[0] } });
is(md5_hex($sum), md5_hex($large), 'a large file in pieces');

# --- A script that knows nothing of us
my $top = TestBroker::top();
{
    my $own = TestBroker::own_modules();
    local $ENV{PERL5LIB} = "$top/perl/compat:$top/perl/lib";
    local $ENV{PERL_LWP_SSL_CA_FILE} = $nginx->{ca};
    is(qx{$^X $own -MLWP::UserAgent -e 'print LWP::UserAgent->new->get(shift)->code' ${\ $nginx->https('/scheme')}}, '200', 'an unchanged script, by PERL5LIB');
    local %ENV = %ENV;
    delete $ENV{PERL5LIB};
    is(qx{$^X $own -I$top/perl/lib -MCPANBridge::Compat -MLWP::Simple -e 'print length get(shift)' ${\ $nginx->http('/text.txt')}}, length $text, 'and by -MCPANBridge::Compat');
}

done_testing;
