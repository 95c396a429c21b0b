package LWP::Protocol::http;

# http and https for LWP::UserAgent, by the broker.

use strict;
use warnings;

use CPANBridge::HTTP::Exchange ();
use HTTP::Date ();
use HTTP::Response ();
use LWP::Protocol ();
use LWP::Protocol::Collector ();

our $VERSION = '6.68';
our @ISA = ('LWP::Protocol');

sub request {
    my ($self, $request, $proxy, $arg, $size, $timeout) = @_;
    my $ua = $self->{ua};
    my $headers = _headers($request, $ua);
    # As it was written: who signs a URL has signed that.
    my $url = _url($request->uri);
    if ($url !~ /\Ahttps?:/i) {
        require LWP::Protocol::Forwarded;
        return LWP::Protocol::Forwarded->new($self->{scheme}, $ua)
            ->forward($request, $proxy, $arg, $timeout, $url, $headers, _body($request), sub { return _response($_[0], $request, $ua) });
    }
    # What such an address was to say nobody knows: http:///h/x is no way of writing http://h/x.
    return HTTP::Response->new(500, 'No Host option provided') if $url !~ m{\A[a-z]+://(?:[^/?\#]*\@)?[^/?\#:]}i;
    # Where nothing is said the broker names itself.
    $headers->{'User-Agent'} = '' if !grep { lc eq 'user-agent' } keys %$headers;
    my $collector = LWP::Protocol::Collector->new($ua, $arg, $size);
    my $streams = $collector->wants_pieces;
    my $response;
    my %order = (
        method   => $request->method,
        url      => $url,
        headers  => $headers,
        body     => _body($request),
        length   => scalar $request->header('Content-Length'),
        timeout  => $timeout,
        max_size => $ua->max_size,
        on_head  => sub {
            $response = _response($_[0], $request, $ua);
            $collector->head($response);
            my $unknown = _unknown_coding($response);
            $collector->broken($response, "Can't handle transfer encoding '$unknown'") if defined $unknown;
        },
        # An object of ours is thrown where nobody wants more.
        $streams ? (on_data => sub { $collector->data($response, $_[0]) or die $collector }) : (),
    );
    my $reply = eval { _exchange($ua, $proxy, $url)->run(%order) };
    if (!$reply) {
        my $error = $@;
        die $error if !ref $error || $error ne $collector;
        $reply = {};
    }
    die _complaint($reply, $ua, $proxy) if $reply->{error};
    _note_kept($ua->{conn_cache}, $request->uri, $url, $timeout) if $ua->{conn_cache};
    $collector->whole($response, $reply->{content}) if !$streams && !defined _unknown_coding($response);
    $collector->broken($response, $reply->{aborted}) if $reply->{aborted};
    _push_as_spelt($response->headers, @{ $reply->{trailers} }) if $reply->{trailers};
    return $collector->finish($response);
}

# What the broker keeps now, where the script looks for it. Which server it is to is worked out once where requests follow each other.
sub _note_kept {
    my ($cache, $uri, $url, $timeout) = @_;
    my ($server) = $url =~ m{\A([^:]+://[^/?\#]+)};
    if (my $last = eval { $cache->again($server) }) {
        $last->timeout($timeout);
        return;
    }
    return if !eval { $cache->can('deposit') };
    my ($type, $key) = ($uri->scheme, $uri->host_port);
    require LWP::Protocol::Kept;
    my $kept = $cache->withdraw($type, $key) || LWP::Protocol::Kept->new(host => $uri->host, port => $uri->port);
    $kept->timeout($timeout);
    $kept->{server} = $server;
    $cache->deposit($type, $key, $kept);
    return;
}

sub _url {
    my ($uri) = @_;
    $uri = $uri->clone, $uri->fragment(undef) if defined $uri->fragment;
    return $uri->as_string;
}

sub _headers {
    my ($request, $ua) = @_;
    my %headers;
    $request->headers->scan(sub {
        my ($name, $value) = @_;
        # A colon keeps a name's spelling; it is not sent. Line ends in a value never are.
        $name =~ s/\A://;
        $value =~ s/\s*\n\s*/ /g;
        $headers{$name} = !exists $headers{$name} ? $value : [ref $headers{$name} ? @{ $headers{$name} } : $headers{$name}, $value];
    });
    # They follow from the body.
    delete @headers{qw(Content-Length Transfer-Encoding Connection TE)};
    # Who asked for nothing else has a connection for each request, which servers that speak to one client at a time go by.
    $headers{Connection} = 'close' if !$ua->{conn_cache};
    return \%headers;
}

sub _body {
    my ($request) = @_;
    my $content = $request->content_ref;
    return $$content if ref $content eq 'SCALAR' && length $$content;
    return $$content if ref $content eq 'REF' && ref $$content eq 'CODE';
    return undef;    ## no critic (ProhibitExplicitReturnUndef)
}

# One for each way of reaching servers. Files of certificates are read once.
my %EXCHANGE;

sub _exchange {
    my ($ua, $proxy, $url) = @_;
    # Without TLS, what is said of it is not looked at.
    my $tls = $url =~ /\Ahttps:/i || defined $proxy && $proxy =~ /\Ahttps:/i;
    require CPANBridge::TLS if $tls;
    my %ssl = $tls ? _ssl($ua) : ();
    my $key = join "\0", $tls ? 'tls' : 'plain', defined $proxy ? "proxy=$proxy" : '', map {
        my $value = $ssl{$_};
        "$_=" . (!defined $value ? '' : ref $value eq 'ARRAY' ? join ',', map { defined $_ ? $_ : '' } @$value : $value);
    } sort keys %ssl;
    return $EXCHANGE{$key} ||= CPANBridge::HTTP::Exchange->new(tls => { $tls ? CPANBridge::TLS::of_lwp(%ssl) : () }, proxy => $proxy);
}

sub _ssl {
    my ($ua) = @_;
    return map { $_ => scalar $ua->ssl_opts($_) } $ua->ssl_opts;
}

sub _response {
    my ($reply, $request, $ua) = @_;
    my $response = HTTP::Response->new("$reply->{status}", $reply->{reason});
    $response->protocol('HTTP/1.1');
    my $headers = $response->headers;
    _push_as_spelt($headers, @{ $reply->{headers} });
    # It is undone.
    my @codings = defined $headers->{'transfer-encoding'} ? $headers->remove_header('Transfer-Encoding') : ();
    $headers->push_header('Client-Date' => HTTP::Date::time2str(time), @codings ? ('Client-Transfer-Encoding' => \@codings) : ());
    _note_connection($response, $reply->{connection}, $ua) if $reply->{connection};
    $response->request($request);
    return $response;
}

# The codings, if one is not undone by the broker.
sub _unknown_coding {
    my ($response) = @_;
    # Nearly none has any.
    return undef if !defined $response->{_headers}{'client-transfer-encoding'};    ## no critic (ProhibitExplicitReturnUndef)
    my $all = join ', ', $response->header('Client-Transfer-Encoding');
    my @codings = split /[\s,]+/, lc $all;
    pop @codings if @codings && $codings[-1] eq 'chunked';
    my ($unknown) = grep { !/\A(?:x-gzip|gzip|deflate|br|identity|)\z/ } @codings;
    return defined $unknown ? $all : undef;
}

# A server's names stay what they are.
sub _push_as_spelt {
    my ($headers, @fields) = @_;
    local $HTTP::Headers::TRANSLATE_UNDERSCORE;
    $headers->push_header(@fields) if @fields;
    return;
}

my @KNOWN = (
    [peer => 'Client-Peer'], [answers => 'Client-Response-Num'], [version => 'Client-SSL-Version'], [cipher => 'Client-SSL-Cipher'],
    [subject => 'Client-SSL-Cert-Subject'], [issuer => 'Client-SSL-Cert-Issuer'],
);

# What the answer came by, under the original's names.
sub _note_connection {
    my ($response, $connection, $ua) = @_;
    $response->header(map { defined $connection->{ $_->[0] } ? ($_->[1] => $connection->{ $_->[0] }) : () } @KNOWN);
    return if !defined $connection->{version};
    my %ssl = _ssl($ua);
    $response->push_header('Client-SSL-Warning' => 'Peer certificate not verified') if !$ssl{verify_hostname} && !$ssl{SSL_verify_mode};
    # Whose form the others have.
    $response->header('Client-SSL-Socket-Class' => 'IO::Socket::SSL');
    return;
}

sub _complaint {
    my ($reply, $ua, $proxy) = @_;
    my $error = $reply->{error};
    if ($reply->{code} eq 'invalid_params') {
        require CPANBridge::TLS;
        my $of_options = CPANBridge::TLS::in_words_of_options($error, _ssl($ua));
        return ($of_options eq $error ? '400' : '500') . " $of_options\n";
    }
    # It is the proxy that was not reached.
    if (defined $proxy && $proxy =~ m{\Ahttps?://(?:[^/]*@)?([^/@]+)}) {
        my $place = $1;
        $error =~ s/\ACan't connect to \S+ (?=\((?:Connection refused|Connection timed out|Name or service not known|No route to host|Network is unreachable)\))/Can't connect to $place /;
    }
    # As the original has it: what went wrong, and once more why.
    return "$error\n\n$1\n" if $error =~ /\ACan't connect to \S+ \((.*)\)\z/s;
    return "$error\n";
}

1;
