# Options of IO::Socket::SSL: each works, or changes nothing, or is refused in words. None makes a connection weaker silently.
use strict;
use warnings;
use lib 'perl/t/lib', 'perl/lib', 'perl/compat';
use Test::More;
use CPANBridge::HTTP;
use CPANBridge::TLS;
use LWP::UserAgent;
use TestBroker;
use TestTls;

delete @ENV{grep { /_proxy\z/i || /\APERL_(?:LWP|HTTP_TINY)_|\AHTTPS_|\ASSL_CERT/ } keys %ENV};
my $tls = TestTls->new;
plan skip_all => 'the command openssl is not installed: no TLS servers to try' if !$tls;
like($INC{'LWP/UserAgent.pm'}, qr/compat/, 'this is the stand-in');
my $broker = TestBroker->start;
$ENV{CPAN_BRIDGE_SOCKET} = $broker->socket_path;
my $top = TestBroker::top();

# --- The options by themselves
sub refusal { my (%options) = @_; return eval { CPANBridge::TLS::settings(%options); 1 } ? 'taken' : $@ }
my @documented = qw(SSL_ca SSL_ca_file SSL_ca_path SSL_cert SSL_cert_file SSL_check_crl SSL_cipher_list SSL_ciphersuites SSL_client_ca
    SSL_client_ca_file SSL_create_ctx_callback SSL_crl_file SSL_dh SSL_dh_file SSL_ecdh_curve SSL_error_trap SSL_fingerprint
    SSL_honor_cipher_order SSL_hostname SSL_keepSocketOnError SSL_key SSL_key_file SSL_mode_release_buffers SSL_npn_protocols SSL_alpn_protocols
    SSL_ocsp_cache SSL_ocsp_mode SSL_ocsp_staple_callback SSL_passwd_cb SSL_reuse_ctx SSL_server SSL_session_cache SSL_session_cache_size
    SSL_session_id_context SSL_session_key SSL_startHandshake SSL_ticket_keycb SSL_use_cert SSL_verify_callback SSL_verify_mode
    SSL_verifycn_name SSL_verifycn_publicsuffix SSL_verifycn_scheme SSL_version);
is(refusal($_ => undef), 'taken', "$_ is known") for @documented;
for my $case (
    [SSL_verify_callback => sub { 1 }], [SSL_create_ctx_callback => sub { 1 }], [SSL_ocsp_staple_callback => sub { 1 }], [SSL_reuse_ctx => {}],
    [SSL_check_crl => 1], [SSL_crl_file => '/x'], [SSL_ca => []], [SSL_cert => 1], [SSL_key => 1], [SSL_server => 1], [SSL_error_trap => sub { }],
    [SSL_ocsp_mode => 4], [SSL_startHandshake => 0], [SSL_alpn_protocols => ['h2']], [SSL_verifycn_scheme => {}], [SSL_fingerprint => 'sha256$xyz'],
    [SSL_fingerprint => []], [SSL_verifycn_publicsuffix => bless {}, 'Suffixes'], [SSL_cipher_list => {}], [SSL_use_cert => 1],
    [SSL_ca_file => '/nonexistent'], [SSL_ca_path => '/nonexistent'], [SSL_cert_file => '/nonexistent'], [SSL_nonsense => 1], [SSL_verify_moed => 0],
) {
    my ($name, $value) = @$case;
    like(refusal($name => $value), qr/\Q$name\E/, "$name is refused by its name");
    unlike(refusal($name => $value), qr/ at \S+ line/, '... in words for people');
}
like(refusal(SSL_verify_mode => 'none'), qr/must be a number/, 'a verify mode that is none');
my %version = (
    'SSLv23:!SSLv3:!SSLv2' => '1.2 1.3', 'TLSv1_2' => '1.2', 'tlsv12' => '1.2', 'TLSv1_3' => '1.3', '!SSLv2:!SSLv3:!TLSv1:!TLSv1_1' => '1.2 1.3',
    'SSLv23:!TLSv1_3' => '1.2', 'SSLv2/3 : !TLSv1_2' => '1.3',
);
is_deeply([@{ { CPANBridge::TLS::settings(SSL_version => $_) }->{tls_versions} }], [split ' ', $version{$_}], "SSL_version $_") for sort keys %version;
like(refusal(SSL_version => $_), qr/SSL_version/, "SSL_version $_ is refused") for qw(TLSv1_1 TLSv1 SSLv3 SSLv23:!TLSv1_2:!TLSv1_3 nonsense TLSv1_2:TLSv1_3 TLSv1_4);

# --- Servers
my $ca     = $tls->self_signed('ca', '/CN=Our authority');
my $own    = $tls->self_signed('own', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost');
my $issued = $tls->issued('issued', 'ca', '/CN=issued', "subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n");
$tls->issued('other', 'ca', '/CN=other', "subjectAltName=DNS:other.example\n");
$tls->issued('named', 'ca', '/CN=localhost', "basicConstraints=CA:FALSE\n");
my $plain = $tls->issued('first', 'ca', '/CN=localhost');
my %port = map { $_ => $tls->serve($_) } qw(own issued other named first);
$port{old} = $tls->serve('issued', '-tls1_2');

sub lwp {
    my ($server, %options) = @_;
    return LWP::UserAgent->new(ssl_opts => \%options, timeout => 20)->get("https://localhost:$port{$server}/");
}
sub tiny {
    my ($server, %options) = @_;
    my %attributes = map { $_ => delete $options{$_} } grep { /\Averify/ } keys %options;
    return CPANBridge::HTTP->new(%attributes, SSL_options => \%options, timeout => 20)->get("https://localhost:$port{$server}/");
}
# What the originals say to the same, where they are installed.
my $original = qx{$^X -MIO::Socket::SSL -MLWP::Protocol::https -e 'print 1' 2>/dev/null};
sub of_original {
    my ($server, $options) = @_;
    my $code = 'my @o = eval shift; print LWP::UserAgent->new(ssl_opts => {@o}, timeout => 20)->get(shift)->code';
    open my $out, '-|', $^X, '-MLWP::UserAgent', '-e', $code, $options, "https://localhost:$port{$server}/" or die $!;
    return readline $out;
}

sub said { my ($response) = @_; return ref $response eq 'HASH' ? $response->{content} : $response->status_line }

# Each case: server, options as Perl, status, and what is said.
my $right = $tls->fingerprint('own');
my $wrong = 'sha256$' . '0' x 64;
my $advice = qr/certificate verify failed/;
my @cases = (
    # attack.md A14: none of these makes an unknown server believed
    ['own', "SSL_verify_mode => 0, SSL_fingerprint => '$wrong'", 500, qr/fingerprint/],
    ['own', 'verify_hostname => 0', 500, $advice],
    ['own', 'SSL_verify_mode => 0', 500, $advice],
    ['own', 'verify_hostname => 0, SSL_verify_mode => 0', 200],
    ['own', "SSL_fingerprint => '$right'", 200],
    ['own', "SSL_fingerprint => ['$wrong', '\U$right\E']", 200],
    ['own', "SSL_ca_file => '$own'", 200],
    ['own', "SSL_ca_file => '$ca'", 500, qr/self-signed certificate.*CN=localhost/],
    ['issued', "SSL_ca_file => '$ca'", 200],
    ['issued', "SSL_ca_file => '$own'", 500, $advice],
    ['other', "SSL_ca_file => '$ca'", 500, qr/hostname mismatch.*other\.example/],
    ['other', "SSL_ca_file => '$ca', verify_hostname => 0", 200],
    ['other', "SSL_ca_file => '$ca', SSL_verifycn_name => 'other.example'", 200],
    ['issued', "SSL_ca_file => '$ca', SSL_verifycn_name => 'other.example'", 500, qr/hostname mismatch/],
    ['named', "SSL_ca_file => '$ca', SSL_verifycn_scheme => 'http'", 200],
    ['old', "SSL_ca_file => '$ca', SSL_version => 'TLSv1_2'", 200],
    ['old', "SSL_ca_file => '$ca', SSL_version => 'TLSv1_3'", 500, qr/protocol version/],
    ['old', "SSL_ca_file => '$ca', SSL_cipher_list => 'ECDHE-ECDSA-AES128-GCM-SHA256'", 200],
    ['old', "SSL_ca_file => '$ca', SSL_cipher_list => 'aRSA+AESGCM'", 500, qr/handshake failure/],
    ['old', "SSL_ca_file => '$ca', SSL_cipher_list => 'NONSENSE'", 500, qr/SSL_cipher_list.*NONSENSE/],
    ['issued', "SSL_ca_file => '$ca', SSL_ciphersuites => 'TLS_AES_128_GCM_SHA256'", 200],
    ['first', "SSL_fingerprint => '" . $tls->fingerprint('first') . "'", 200],
    ['first', 'verify_hostname => 0, SSL_verify_mode => 0', 200],
);
for my $case (@cases) {
    my ($server, $options, $status, $said) = @$case;
    my @options = eval $options;    ## no critic (ProhibitStringyEval)
    my $response = lwp($server, @options);
    is($response->code, $status, "LWP to $server: $options") or diag($response->status_line);
    like($response->status_line, $said, '... says why') if $said;
    unlike($response->status_line, qr/Some\(|Other\(|[{]|os error|\b[A-Z][a-z]+[A-Z][a-z]/, '... in words for people') if $status == 500;
    next if !$original;
    is(of_original($server, $options), $status, '... as the original');
}
like(said(lwp('named', SSL_ca_file => $ca)), qr/common name.*SSL_verifycn_scheme/, 'a common name alone does not count');
like(said(lwp('first', SSL_ca_file => $ca)), qr/version 1.*CN=localhost/, 'a certificate of version 1 is refused in words');
is(lwp('first', SSL_ca_file => $plain, SSL_verifycn_scheme => 'http')->code, 200, '... and trusted where it is itself in the CA file');
like(said(lwp('issued', SSL_ca_file => $ca, SSL_fingerprint => $wrong)), qr/fingerprint/, 'a wrong fingerprint is refused, whoever vouches');

# --- Refused options, as they reach scripts
like(said(lwp('issued', SSL_ca_file => $tls->path('ca.key'))), qr/\A500 SSL_ca_file '\S+ca\.key' holds no certificate in PEM form, but a private key/, 'a key for a certificate');
like(said(lwp('issued', SSL_verify_callback => sub { 1 })), qr/\A500 SSL_verify_callback is not supported/, 'LWP names an option that does not work');
is(LWP::UserAgent->new(ssl_opts => { SSL_nonsense => 1 })->get("http://localhost:1/")->status_line =~ /SSL_nonsense/ ? 1 : 0, 0, 'without TLS nobody minds');
my $tiny = tiny('issued', SSL_ca_file => $ca, SSL_verify_callback => sub { 1 });
is_deeply([$tiny->{status}, $tiny->{content}], [599, "SSL_verify_callback is not supported: certificates are judged by the broker; SSL_fingerprint names one to trust\n"],
    'and so does CPANBridge::HTTP');
like(tiny('issued', SSL_cipher_list => 'NONSENSE')->{content}, qr/SSL_cipher_list.*NONSENSE/, '... also where the broker refuses');
for my $case (
    [{ SSL_ca_file => $ca }, 'issued', 200], [{}, 'issued', 599], [{ verify_SSL => 0 }, 'own', 200], [{ SSL_verify_mode => 0 }, 'own', 200],
    [{ verify_SSL => 0, SSL_fingerprint => $wrong }, 'own', 599], [{ SSL_fingerprint => $right }, 'own', 200],
    [{ SSL_ca_file => $ca, SSL_verifycn_scheme => 'none' }, 'other', 200], [{ SSL_ca_file => $ca }, 'other', 599],
    [{ SSL_ca_file => $ca, SSL_hostname => 'other.example', SSL_verifycn_name => 'other.example' }, 'other', 200],
) {
    my ($options, $server, $status) = @$case;
    is(tiny($server, %$options)->{status}, $status, "CPANBridge::HTTP to $server: " . join ' ', sort keys %$options);
}

# --- Certificates of one's own
my $shown = $tls->self_signed('client', '/CN=client');
is(lwp('issued', SSL_ca_file => $ca, SSL_cert_file => $shown, SSL_key_file => $tls->path('client.key'), SSL_passwd_cb => sub { 'x' })->code, 200,
    'a key without a password asks for none');
$tls->openssl(qw(pkcs8 -topk8 -in client.key -out locked.key -passout pass:hush)) or die;
my $locked = said(lwp('issued', SSL_ca_file => $ca, SSL_cert_file => $shown, SSL_key_file => $tls->path('locked.key'), SSL_passwd_cb => sub { 'hush' }));
like($locked, qr/SSL_key_file '\S+locked\.key' holds a key with a password, and SSL_passwd_cb is not supported/, 'one with a password is refused');
$tls->openssl(qw(x509 -in client.pem -outform DER -out client.der)) or die;
is(lwp('issued', SSL_ca_file => $ca, SSL_cert_file => $tls->path('client.der'), SSL_key_file => $tls->path('client.key'))->code, 200, 'a certificate in DER');
like(said(lwp('issued', SSL_ca_file => $ca, SSL_cert_file => $shown, SSL_key_file => $tls->path('own.key'))), qr/SSL_key_file '\S+own\.key' is not the certificate's/,
    'a key of another is named');

done_testing;
