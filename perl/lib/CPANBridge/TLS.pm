package CPANBridge::TLS;

use strict;
use warnings;

use CPANBridge::File ();

our $VERSION = '0.100';

# The words for options that say what a client has no say in, or nothing that it could notice.
my %HARMLESS = map { $_ => 1 } qw(
    SSL_client_ca SSL_client_ca_file SSL_dh SSL_dh_file SSL_honor_cipher_order SSL_keepSocketOnError SSL_mode_release_buffers
    SSL_ocsp_cache SSL_session_cache SSL_session_cache_size SSL_session_id_context SSL_session_key SSL_ticket_keycb
    SSL_verifycn_publicsuffix
);

# Those that can't be granted, and what to do instead.
my %REFUSED = (
    SSL_ca                   => 'certificates can be given as SSL_ca_file or SSL_ca_path only',
    SSL_cert                 => 'certificates can be given as SSL_cert_file only',
    SSL_check_crl            => 'lists of revoked certificates are not looked at',
    SSL_create_ctx_callback  => 'there is no OpenSSL context to set up',
    SSL_crl_file             => 'lists of revoked certificates are not looked at',
    SSL_error_trap           => 'there is no socket to hand over',
    SSL_key                  => 'keys can be given as SSL_key_file only',
    SSL_ocsp_staple_callback => 'what a server says of revocation is not looked at',
    SSL_reuse_ctx            => 'there is no OpenSSL context whose settings could be had; give the settings themselves',
    SSL_server               => 'this is a client',
    SSL_verify_callback      => 'certificates are judged by the broker; SSL_fingerprint names one to trust',
);

# Options with a sub of their own, in the order that they are looked at.
my %HEARD = (
    SSL_alpn_protocols  => \&_protocols,
    SSL_ca_file         => \&_ca_file,
    SSL_ca_path         => \&_ca_path,
    SSL_cert_file       => \&_cert_file,
    SSL_cipher_list     => sub { _text('ciphers', @_) },
    SSL_ciphersuites    => sub { _text('ciphersuites', @_) },
    SSL_ecdh_curve      => sub { _text('curves', @_) },
    SSL_fingerprint     => \&_fingerprint,
    SSL_hostname        => sub { _text('server_name', @_) },
    SSL_key_file        => sub { return },
    SSL_npn_protocols   => \&_protocols,
    SSL_ocsp_mode       => \&_ocsp_mode,
    SSL_passwd_cb       => sub { return },
    SSL_startHandshake  => \&_start,
    SSL_use_cert        => \&_use_cert,
    SSL_verify_mode     => \&_verify_mode,
    SSL_verifycn_name   => sub { _text('verify_name', @_) },
    SSL_verifycn_scheme => \&_scheme,
    SSL_version         => \&_version,
);

# Which of a session's parameters which option became, for errors that speak of it.
my %OPTION = (
    ca           => 'SSL_ca_file',
    ciphers      => 'SSL_cipher_list',
    ciphersuites => 'SSL_ciphersuites',
    client_cert  => 'SSL_cert_file',
    client_key   => 'SSL_key_file',
    curves       => 'SSL_ecdh_curve',
    fingerprint  => 'SSL_fingerprint',
    server_name  => 'SSL_hostname',
    tls_versions => 'SSL_version',
    verify_cn    => 'SSL_verifycn_scheme',
    verify_name  => 'SSL_verifycn_name',
);

# What LWP does with its options before IO::Socket::SSL has them.
sub of_lwp {
    my (%options) = @_;
    my $by_name = delete $options{verify_hostname};
    # As in the original: who wants the name compared has the certificate checked, whatever SSL_verify_mode says.
    $options{SSL_verify_mode} ||= 1 if $by_name && (!defined $options{SSL_verify_mode} || !_is_odd_mode($options{SSL_verify_mode}));
    my $scheme = $options{SSL_verifycn_scheme};
    delete $options{SSL_verifycn_scheme} if $by_name && defined $scheme && $scheme eq 'none';
    my %session = settings(%options);
    $session{verify_hostname} = 0 if !$by_name && !defined $options{SSL_verifycn_scheme};
    return %session;
}

# What HTTP::Tiny does.
sub of_tiny {
    my ($verify, %options) = @_;
    my %ssl = map { $_ => $options{$_} } grep { /\ASSL_/ } keys %options;
    $ssl{SSL_verify_mode} = $verify ? 1 : 0 if !exists $ssl{SSL_verify_mode};
    my %session = settings(%ssl);
    $session{verify_hostname} = 0 if !$verify && !defined $ssl{SSL_verifycn_scheme};
    return %session;
}

# The settings of a session for options of IO::Socket::SSL.
sub settings {
    my (%options) = @_;
    my %session = (verify_ssl => 1);
    for my $name (sort keys %options) {
        next if $name !~ /\ASSL_/;
        my $value = $options{$name};
        _refuse("$name is no option of IO::Socket::SSL that is known here") if !$HARMLESS{$name} && !$REFUSED{$name} && !$HEARD{$name};
        next if !defined $value || $HARMLESS{$name} && !_asks_too_much($name, $value);
        if ($REFUSED{$name}) {
            _refuse("$name is not supported: $REFUSED{$name}") if ref $value || length $value && $value ne '0';
            next;
        }
        $HEARD{$name}->(\%session, $value, $name, \%options);
    }
    return %session;
}

# An error of the broker's that speaks of a parameter, in the words of the script's options.
sub in_words_of_options {
    my ($message, %options) = @_;
    my $with = sub {
        my ($parameter, $option) = ($_[0], $OPTION{ $_[0] });
        $option = 'SSL_ca_path'   if $parameter eq 'ca' && !_is_file($options{SSL_ca_file});
        $option = 'SSL_cert_file' if $parameter eq 'client_key' && !defined $options{SSL_key_file};
        my $value = $options{$option};
        return $option =~ /_(?:file|path)\z/ && defined $value && !ref $value ? "$option '$value'" : $option;
    };
    my $parameters = join '|', map { quotemeta } sort keys %OPTION;
    $message =~ s/(?:parameter )?`($parameters)`/$with->($1)/ge;
    return $message;
}

sub _refuse { die "$_[0]\n" }

# An object with rules of its own can't be asked.
sub _asks_too_much {
    my ($name, $value) = @_;
    _refuse("$name is not supported: the broker has its own rules for wildcards, which never stand for all of a top domain")
        if $name eq 'SSL_verifycn_publicsuffix' && ref $value;
    return 0;
}

sub _text {
    my ($parameter, $session, $value, $name) = @_;
    _refuse("$name has to be a text: what depends on the host's name is for servers") if ref $value;
    $session->{$parameter} = "$value";
    return;
}

sub _is_odd_mode { return ref $_[0] || $_[0] !~ /\A\d+\z/ }

sub _verify_mode {
    my ($session, $value) = @_;
    _refuse('SSL_verify_mode must be a number and not a string') if _is_odd_mode($value);
    $session->{verify_ssl} = $value & 1 ? 1 : 0;
    return;
}

sub _scheme {
    my ($session, $value) = @_;
    _refuse('SSL_verifycn_scheme has to be the name of a scheme; rules of one\'s own are not supported') if ref $value;
    return if !length $value;
    $session->{verify_cn} = $value;
    return;
}

sub _fingerprint {
    my ($session, $value) = @_;
    my @fingerprints = ref $value eq 'ARRAY' ? @$value : $value;
    _refuse('SSL_fingerprint has to be a text or a list of texts') if grep { !defined || ref } @fingerprints;
    return if @fingerprints == 1 && !length $fingerprints[0];
    _refuse('SSL_fingerprint is an empty list') if !@fingerprints;
    for my $fingerprint (@fingerprints) {
        _refuse("SSL_fingerprint: invalid fingerprint '$fingerprint'") if $fingerprint !~ /\A(?:[\w-]+\$)?(?:pub\$)?[a-f\d:]+\z/i;
    }
    $session->{fingerprint} = \@fingerprints;
    return;
}

my @VERSIONS = qw(SSLv2 SSLv3 TLSv1 TLSv1_1 TLSv1_2 TLSv1_3);
my %SPOKEN = (TLSv1_2 => '1.2', TLSv1_3 => '1.3');

sub _version {
    my ($session, $value) = @_;
    my ($only, %not);
    for my $word (split /\s*:\s*/, $value) {
        my ($no, $ssl, $tls) = $word =~ m{\A(!?)(?:SSL(v2|v3|v23|v2/3)|TLS(v1(?:_?[123])?))\z}i
            or _refuse("invalid SSL_version specified: '$value'");
        my $version = defined $ssl ? 'SSL' . lc $ssl : 'TLS' . lc $tls;
        $version =~ s/\A(TLSv1)([123])\z/$1_$2/;
        $version = 'SSLv23' if $version eq 'SSLv2/3';
        $not{$version} = 1, next if $no;
        _refuse('cannot set multiple SSL protocols in SSL_version') if defined $only && $only ne $version;
        $only = $version;
    }
    my @left = grep { !$not{$_} && (!defined $only || $only eq 'SSLv23' || $only eq $_) } @VERSIONS;
    my @spoken = map { $SPOKEN{$_} } grep { $SPOKEN{$_} } @left;
    _refuse("SSL_version '$value' leaves " . (@left ? join(' and ', @left) : 'no version')
            . ', which the broker does not speak; it speaks TLSv1_2 and TLSv1_3')
        if !@spoken;
    $session->{tls_versions} = \@spoken;
    return;
}

# Whether a server speaks HTTP/2 nobody asks.
sub _protocols {
    my ($session, $value, $name) = @_;
    my @protocols = ref $value eq 'ARRAY' ? @$value : $value;
    _refuse("$name: only http/1.1 is spoken") if grep { !defined || !m{\Ahttp/1\.[01]\z} } @protocols;
    return;
}

sub _ocsp_mode {
    my ($session, $value) = @_;
    _refuse('SSL_ocsp_mode is not supported: what a server says of revocation is not looked at; SSL_OCSP_NO_STAPLE (1) is taken')
        if $value !~ /\A[01]\z/;
    return;
}

sub _start {
    my ($session, $value) = @_;
    _refuse('SSL_startHandshake is not supported: the handshake comes first') if !$value;
    return;
}

sub _use_cert {
    my ($session, $value, $name, $options) = @_;
    _refuse('SSL_use_cert wants a certificate: give SSL_cert_file') if $value && !_is_file($options->{SSL_cert_file});
    return;
}

# Whether a file is named. An empty name stands for none, and \undef for having none on purpose.
sub _is_file { return defined $_[0] && !ref $_[0] && length $_[0] }

sub _ca_file {
    my ($session, $value, $name) = @_;
    return if !ref $value && !length $value;
    _refuse("$name has to be the name of a file") if ref $value;
    my $text = _read($name, $value);
    _demand_certificate($name, $value, $text);
    $session->{ca} = $text;
    return;
}

sub _ca_path {
    my ($session, $value, $name, $options) = @_;
    return if !ref $value && !length $value || _is_file($options->{SSL_ca_file});
    _refuse("$name has to be the name of a directory, or a list of them") if ref $value && ref $value ne 'ARRAY';
    my ($text, $why) = ('', '');
    my @paths = ref $value ? @$value : split /:/, $value;
    for my $path (@paths) {
        local $!;
        if (!opendir my $directory, $path) {
            $why = "$name $path can't be used: $!";
        }
        else {
            $text .= join '', grep { /-----BEGIN / } map { _read($name, $_) } grep { -f } map { "$path/$_" } sort readdir $directory;
        }
    }
    _refuse(length $why ? $why : "$name '@paths' holds no certificate in PEM form") if $text !~ /-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----/;
    $session->{ca} = $text;
    return;
}

sub _cert_file {
    my ($session, $value, $name, $options) = @_;
    return if !ref $value && !length $value;
    _refuse("$name has to be the name of a file; which certificate for which host is for servers") if ref $value;
    my $text = _read($name, $value);
    if ($text !~ /-----BEGIN /) {
        _refuse("$name '$value' is of the form PKCS#12; make PEM of it: openssl pkcs12 -nodes") if $text =~ /\A\x30.{1,5}?\x02\x01\x03\x30/s;
        $text = _pem('CERTIFICATE', $text) if $text =~ /\A\x30[\x81-\x84]/;
    }
    _demand_certificate($name, $value, $text);
    $session->{client_cert} = $text;
    my ($key_name, $key_file) = ('SSL_key_file', $options->{SSL_key_file});
    ($key_name, $key_file) = ($name, $value) if !_is_file($key_file);
    _refuse('SSL_key_file has to be the name of a file') if ref $options->{SSL_key_file};
    my $key = _read($key_name, $key_file);
    _refuse("$key_name '$key_file' holds a key with a password"
            . (defined $options->{SSL_passwd_cb} ? ', and SSL_passwd_cb is not supported' : '')
            . '; take the password off: openssl pkey')
        if $key =~ /-----BEGIN ENCRYPTED PRIVATE KEY-----|Proc-Type: 4,ENCRYPTED/;
    _refuse("$key_name '$key_file' holds no private key in PEM form") if $key !~ /-----BEGIN (?:\w+ )?PRIVATE KEY-----/;
    $session->{client_key} = $key;
    return;
}

sub _demand_certificate {
    my ($name, $path, $text) = @_;
    return if $text =~ /-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----/;
    _refuse("$name '$path' holds no certificate in PEM form" . ($text =~ /-----BEGIN (?:\w+ )*PRIVATE KEY-----/ ? ', but a private key' : ''));
}

sub _pem {
    my ($kind, $bytes) = @_;
    # Base64 is uuencode with other letters, and without the lengths that its lines begin with.
    my $text = pack 'u', $bytes;
    $text =~ s/^.//gm;
    $text =~ tr{` -_}{AA-Za-z0-9+/};
    my $rest = (3 - length($bytes) % 3) % 3;
    $text =~ s/.{$rest}\n\z/('=' x $rest) . "\n"/se;
    return "-----BEGIN $kind-----\n$text-----END $kind-----\n";
}

# Read here: the broker may be another user's, and stands in another directory.
sub _read {
    my ($name, $path) = @_;
    my ($text, $why) = CPANBridge::File::content($path);
    _refuse("$name $path can't be used: $why") if !defined $text;
    return $text;
}

1;

__END__

=encoding utf8

=head1 NAME

CPANBridge::TLS - options of IO::Socket::SSL as settings of a session (used by CPANBridge::HTTP and the stand-ins)

=head1 SYNOPSIS

    my %settings = CPANBridge::TLS::of_lwp($ua->ssl_opts...);
    my $session = $bridge->call('http_helper.session_new', \%settings)->{session_id};

=head1 DESCRIPTION

No option is left out without a word. Each of those that IO::Socket::SSL 2.081 documents for clients works, or changes nothing
that a client could notice, or is refused by a C<die> with a message that names it; and so is every name that begins with C<SSL_>
and is none of them.

=head2 Options that work

C<SSL_verify_mode>, C<SSL_verifycn_name>, C<SSL_verifycn_scheme>, C<SSL_hostname> (empty: no SNI), C<SSL_fingerprint>, C<SSL_version>,
C<SSL_cipher_list>, C<SSL_ciphersuites>, C<SSL_ecdh_curve>, C<SSL_ca_file>, C<SSL_ca_path>, C<SSL_cert_file> (PEM or DER),
C<SSL_key_file>, C<SSL_use_cert>.

The broker speaks TLS 1.2 and 1.3, with ECDHE and AES-GCM or ChaCha20. What a list of versions or ciphers names besides is not offered;
a list that leaves nothing is refused. C<SSL_fingerprint> decides alone: a certificate that has one of the fingerprints is believed, as in
the original, and every other one is refused, also one that an authority vouches for, and also if C<SSL_verify_mode> is 0.
The common name of a certificate without subjectAltName counts only where C<SSL_verifycn_scheme> is given and says so.

=head2 Options that change nothing

C<SSL_client_ca>, C<SSL_client_ca_file>, C<SSL_dh>, C<SSL_dh_file>, C<SSL_honor_cipher_order>, C<SSL_session_id_context> and
C<SSL_ticket_keycb>, which are for servers; C<SSL_session_cache>, C<SSL_session_cache_size>, C<SSL_session_key>, C<SSL_ocsp_cache>,
C<SSL_keepSocketOnError> and C<SSL_mode_release_buffers>, since connections and what is remembered of them are the broker's;
C<SSL_verifycn_publicsuffix>, unless it is an object: no wildcard ever stands for all of a top domain.

C<SSL_alpn_protocols> and C<SSL_npn_protocols> with C<http/1.1> alone, C<SSL_startHandshake> if true, C<SSL_ocsp_mode> if 0 or 1 (no
stapling); C<SSL_passwd_cb> where the key has no password.

=head2 Options that are refused

Everything else: C<SSL_ca>, C<SSL_cert> and C<SSL_key> (objects of Net::SSLeay), C<SSL_check_crl>, C<SSL_crl_file>, other modes of
C<SSL_ocsp_mode>, C<SSL_ocsp_staple_callback>, C<SSL_create_ctx_callback>, C<SSL_reuse_ctx>, C<SSL_error_trap>, C<SSL_server>,
C<SSL_verify_callback>.

=head1 FUNCTIONS

=head2 settings

    my %settings = CPANBridge::TLS::settings(%options);

The parameters of C<http_helper.session_new> for these options. Dies with a message that ends in a line end.

=head2 of_lwp

    my %settings = CPANBridge::TLS::of_lwp(%ssl_opts);

For C<ssl_opts> of LWP::UserAgent: with C<verify_hostname> certificates are checked whatever C<SSL_verify_mode> says; without it
the name is not compared, unless C<SSL_verifycn_scheme> says how.

=head2 of_tiny

    my %settings = CPANBridge::TLS::of_tiny($verify_SSL, %SSL_options);

For the attributes of HTTP::Tiny.

=head2 in_words_of_options

    my $message = CPANBridge::TLS::in_words_of_options($error->message, %options);

What the broker says of its parameters, said of the script's options.

=cut
