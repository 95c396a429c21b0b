# What an answer's headers tell of how it came: by which connection, in which coding, and what came behind its body. As the originals have it,
# beside them where they are installed.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib", "$FindBin::Bin/../lib", "$FindBin::Bin/../compat";
use CPANBridge::HTTP;
use IO::Compress::Gzip qw(gzip);
use IO::Socket::INET ();
use JSON::PP ();
use LWP::UserAgent;
use POSIX ();
use Test::More;
use TestBroker;
use TestTls;

delete @ENV{grep { /_proxy\z/i || /\APERL_(?:LWP|HTTP_TINY)_|\AHTTPS_|\ASSL_CERT/ } keys %ENV};
my $broker = TestBroker->start;
$ENV{CPAN_BRIDGE_SOCKET} = $broker->socket_path;

my $text = 'a text for the way ' x 1_000;
gzip(\$text, \my $packed);
my $chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Under_score: 1\r\n\r\n";
my $evil = "Set-Cookie: evil=1\r\nContent-Length: 3\r\nLocation: /evil\r\n";
my $long = 'y' x 2_000_000;
my %answer = (
    plain   => "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    lf      => "${chunked}4\nbody\n0\n\n",
    odd     => "${chunked}00004 ;x=y\r\nbody\r\n0\r\n\r\n",
    behind  => "${chunked}4\r\nbody\r\n0\r\nX-Digest: abc\r\nX_Took: 5\r\n\r\n",
    long    => sprintf("${chunked}%x\r\n%s\r\n0\r\nX-Digest: abc\r\n\r\n", length $long, $long),
    evil    => "${chunked}4\r\nbody\r\n0\r\n${evil}X-Digest: abc\r\n\r\n",
    packed  => "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n" . sprintf('%x', length $packed) . "\r\n$packed\r\n0\r\n\r\n",
    unknown => "HTTP/1.1 200 OK\r\nTransfer-Encoding: compress, chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
    wrong   => "${chunked}4\r\nbody\r\nxyz\r\n",
);
my $listener = IO::Socket::INET->new(Listen => 20, LocalAddr => '127.0.0.1') or die $!;
my $place = '127.0.0.1:' . $listener->sockport;
my $server = fork;
die $! if !defined $server;
if (!$server) {
    local $SIG{CHLD} = 'IGNORE';
    while (my $client = $listener->accept) {
        next if fork;
        $client->autoflush(1);
        while (defined(my $line = <$client>)) {
            my ($path) = $line =~ m{\A\w+ (?:http://[^/]*)?/(\w*)};
            my $closes = 0;
            while (defined(my $field = <$client>)) {
                last if $field eq "\r\n";
                $closes = 1 if $field =~ /\AConnection:.*close/i;
            }
            print {$client} $answer{$path};
            last if $closes || $path =~ /\A(?:unknown|wrong)\z/;
        }
        POSIX::_exit(0);
    }
}
END { if ($server) { local $?; kill KILL => $server; waitpid $server, 0 } }

# --- The same from the original. What differs is said.
my $has_original = qx{$^X -MLWP::UserAgent -e 'print 1' 2>/dev/null};
my $CODE = <<'CODE';
my ($options, $url, $how) = @ARGV;
my %options = %{ JSON::PP::decode_json($options) };
my $ua = LWP::UserAgent->new(timeout => 20, %options);
my $seen = '';
my $response = $ua->get($url, $how eq 'pieces' ? (':content_cb' => sub { $seen .= $_[0] }) : ());
my %headers;
$response->headers->scan(sub { push @{ $headers{$_[0]} }, $_[1] });
delete $headers{'Client-Date'};
print JSON::PP->new->canonical->encode({ code => $response->code, headers => \%headers, content => $how eq 'pieces' ? $seen : $response->content });
CODE

sub told {
    my ($with, $options, $url, $how) = @_;
    my @compat = $with eq 'stand-in' ? map { "-I$FindBin::Bin/../$_" } qw(compat lib) : ();
    open my $out, '-|', $^X, @compat, '-MJSON::PP', '-MLWP::UserAgent', '-e', $CODE, JSON::PP->new->encode($options), $url, $how or die $!;
    return JSON::PP::decode_json(join '', readline $out);
}

for my $path (qw(plain lf odd behind long packed)) {
    for my $how (qw(whole pieces)) {
        my $ours = told('stand-in', {}, "http://$place/$path", $how);
        is($ours->{code}, 200, "$path, $how");
        is($ours->{headers}{'Client-Peer'}[0], $place, '... by whom');
        is($ours->{headers}{'Client-Response-Num'}[0], 1, '... the first by its connection');
        is($ours->{content}, { packed => $text, long => $long, plain => 'ok' }->{$path} || 'body', '... whole');
        next if !$has_original;
        my $original = told('original', {}, "http://$place/$path", $how);
        # Net::HTTP gives a reference in place of what was packed.
        delete $_->{content} for $path eq 'packed' ? ($ours, $original) : ();
        is_deeply($ours, $original, '... as the original');
    }
}
is_deeply(told('stand-in', {}, "http://$place/behind", 'whole')->{headers}{'X-Digest'}, ['abc'], 'what came behind the body is among the headers');
is_deeply(told('stand-in', {}, "http://$place/packed", 'whole')->{headers}{'Client-Transfer-Encoding'}, ['gzip, chunked'], 'and what it was packed in');

# --- Here we are stricter than the original, which believes all of it
my $evil_told = told('stand-in', {}, "http://$place/evil", 'whole')->{headers};
is_deeply([map { $evil_told->{$_} } 'X-Digest', 'Set-Cookie', 'Content-Length', 'Location'], [['abc'], undef, undef, undef], 'behind a body stands no cookie and no length');
{
    my $ua = LWP::UserAgent->new(cookie_jar => {});
    $ua->get("http://$place/evil");
    is($ua->cookie_jar->as_string, '', 'and none is kept');
}
my $unknown = told('stand-in', {}, "http://$place/unknown", 'whole');
is($unknown->{code}, 200, 'a coding that nobody knows');
like($unknown->{headers}{'X-Died'}[0], qr/\ACan't handle transfer encoding 'compress, chunked'/, '... is named, as by the original');
is($unknown->{content}, '', '... and what came of it is no content');
is(told('stand-in', {}, "http://$place/unknown", 'pieces')->{content}, '', '... nor a piece of it');
my $wrong = told('stand-in', {}, "http://$place/wrong", 'pieces');
is($wrong->{content}, 'body', 'what came before it went wrong is there');
like($wrong->{headers}{'X-Died'}[0], qr/xyz stands where the length of a chunk should be/, '... and why it is not all');

# --- One connection for several
{
    my $ua = LWP::UserAgent->new(keep_alive => 1);
    is_deeply([map { $ua->get("http://$place/$_")->header('Client-Response-Num') } qw(plain lf behind)], [1, 2, 3], 'answers of a connection are counted');
}

# --- HTTP::Tiny's interface
my $tiny = CPANBridge::HTTP->new(timeout => 20);
for my $path (qw(lf odd behind long packed evil)) {
    my $body = { packed => $text, long => $long }->{$path} || 'body';
    is_deeply([@{ $tiny->get("http://$place/$path") }{qw(status content)}], [200, $body], "CPANBridge::HTTP: $path");
}
is($tiny->get("http://$place/unknown")->{content}, 'body', 'what is packed in some other way is as it came, as HTTP::Tiny has it');
my $behind_answer = $tiny->get("http://$place/behind");
my $behind = $behind_answer->{headers};
is_deeply([@$behind{qw(x-digest x_took)}], ["abc", 5], "what came behind") or diag explain $behind_answer;
my $seen = '';
is_deeply([$tiny->get("http://$place/long", { data_callback => sub { $seen .= $_[0] } })->{headers}{'x-digest'}, length $seen], ['abc', 2_000_000], 'also in pieces');
is_deeply([map { exists $tiny->get("http://$place/evil")->{headers}{$_} ? 1 : 0 } qw(x-digest set-cookie content-length location)], [1, 0, 0, 0], 'but not everything');
like($tiny->get("http://$place/wrong")->{content}, qr/xyz stands where the length of a chunk should be/, 'what is wrong is said');

# --- By TLS
SKIP: {
    my $tls = TestTls->new or skip 'the command openssl is not installed', 1;
    my $ca = $tls->self_signed('ca', '/C=DE/O=Our authority');
    $tls->issued('own', 'ca', '/C=DE/O=Exa\\+mple/OU=a\\/b/CN=localhost/emailAddress=a@b.example', "subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n");
    my %port = (new => $tls->serve('own', '-ciphersuites', 'TLS_AES_256_GCM_SHA384'), old => $tls->serve('own', '-tls1_2', '-cipher', 'ECDHE-ECDSA-AES128-GCM-SHA256'));
    my $by_tls = qx{$^X -MIO::Socket::SSL -MLWP::Protocol::https -e 'print 1' 2>/dev/null};
    for my $case (
        ['new', { SSL_ca_file => $ca }], ['old', { SSL_ca_file => $ca }], ['new', { SSL_ca_file => $ca, verify_hostname => 0, SSL_verify_mode => 1 }],
        ['old', { verify_hostname => 0, SSL_verify_mode => 0 }],
    ) {
        my ($server, $options) = @$case;
        my $url = "https://localhost:$port{$server}/";
        my $of = sub {
            my $headers = told($_[0], { ssl_opts => $options }, $url, 'whole')->{headers};
            return { map { $_ => $headers->{$_} } grep { /\AClient-/ } keys %$headers };
        };
        my $ours = $of->('stand-in');
        is_deeply([map { $ours->{$_}[0] } qw(Client-Peer Client-SSL-Cipher Client-SSL-Cert-Issuer Client-SSL-Socket-Class)],
            ["127.0.0.1:$port{$server}", { new => 'TLS_AES_256_GCM_SHA384', old => 'ECDHE-ECDSA-AES128-GCM-SHA256' }->{$server}, '/C=DE/O=Our authority', 'IO::Socket::SSL'],
            "$server, " . join ' ', map { "$_=$options->{$_}" } sort keys %$options);
        like($ours->{'Client-SSL-Cert-Subject'}[0], qr{\A/C=DE/O=Exa\\?\+mple/OU=a\\?/b/CN=localhost/emailAddress=a\@b\.example\z}, '... whose it is');
        is($ours->{'Client-SSL-Warning'} ? 1 : 0, $server eq 'old' && exists $options->{verify_hostname} ? 1 : 0, '... and whether that was looked at');
        next if !$by_tls;
        my $original = $of->('original');
        # Those of older versions have no such header.
        delete $ours->{'Client-SSL-Version'} if !$original->{'Client-SSL-Version'};
        is_deeply($ours, $original, '... as the original');
    }
}

done_testing;
