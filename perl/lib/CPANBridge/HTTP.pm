package CPANBridge::HTTP;

use strict;
use warnings;

use Carp ();
use CPANBridge::Bytes ();
use CPANBridge::HTTP::Exchange ();
use CPANBridge::File::Part ();
use CPANBridge::HTTP::Proxy ();
use CPANBridge::TLS ();

our $VERSION = '0.100';

my @ATTRIBUTES;

BEGIN {
    @ATTRIBUTES = qw(cookie_jar default_headers http_proxy https_proxy keep_alive local_address max_redirect max_size no_proxy
        private_headers proxy SSL_options timeout verify_SSL);
    ## no critic (ProhibitNoStrict)
    no strict 'refs';
    for my $name (@ATTRIBUTES) {
        *{$name} = sub {
            my ($self, @value) = @_;
            return $self->{$name} if !@value;
            CORE::delete $self->{exchange};
            return $self->{$name} = $value[0];
        };
    }
}

my %ESCAPE = map { chr($_) => sprintf '%%%02X', $_ } 0 .. 255;
$ESCAPE{' '} = '+';

my %KNOWN = map { $_ => 1 } @ATTRIBUTES, 'agent';

sub new {
    my ($class, %args) = @_;
    my $self = bless {
        max_redirect => 5,
        timeout      => defined $args{timeout} ? $args{timeout} : 60,
        keep_alive   => 1,
        verify_SSL   => !$ENV{PERL_HTTP_TINY_SSL_INSECURE_BY_DEFAULT} || 0,
        no_proxy     => $ENV{no_proxy},
    }, $class;
    # Older scripts write it so.
    $args{verify_SSL} = $args{verify_ssl} if exists $args{verify_ssl} && !exists $args{verify_SSL};
    for my $name (grep { $KNOWN{$_} } keys %args) {
        $name eq 'agent' ? $self->agent($args{agent}) : ($self->{$name} = $args{$name});
    }
    $self->agent('') if !exists $args{agent};
    $self->{no_proxy} = [split /\s*,\s*/, $self->{no_proxy}] if defined $self->{no_proxy} && !ref $self->{no_proxy};
    my %from = (proxy => ['all_proxy', 'ALL_PROXY'], http_proxy => ['http_proxy'], https_proxy => ['https_proxy', 'HTTPS_PROXY']);
    # What a web server's client may set by a header is nobody's proxy.
    push @{ $from{http_proxy} }, 'HTTP_PROXY' if !$ENV{REQUEST_METHOD};
    for my $name (sort keys %from) {
        next if exists $args{$name};
        ($self->{$name}) = grep { defined && length } map { $ENV{$_} } @{ $from{$name} };
    }
    for my $name (grep { defined $self->{$_} && (length $self->{$_} || $_ eq 'proxy') } sort keys %from) {
        Carp::croak(($name eq 'proxy' ? 'generic proxy' : $name) . ' URL must be in format http[s]://[auth@]<host>:<port>/')
            if $self->{$name} !~ m{\A[^:/?#]+://[^/?#]+};
    }
    if (defined $self->{cookie_jar}) {
        for my $method (qw(add cookie_header)) {
            my $can = do { local ($@, $SIG{__DIE__}); eval { $self->{cookie_jar}->can($method) } };
            Carp::croak("Cookie jar must provide the '$method' method") if !$can;
        }
    }
    return $self;
}

sub agent {
    my ($self, @value) = @_;
    return $self->{agent} if !@value;
    my $agent = defined $value[0] ? $value[0] : '';
    $self->{agent} = $agent =~ / \z/ || !length $agent ? $agent . $self->_agent : $agent;
    return $self->{agent};
}

sub _agent {
    my ($self) = @_;
    my $class = ref $self || $self;
    (my $name = $class eq __PACKAGE__ ? 'CPANBridge-HTTP' : $class) =~ s/::/-/g;
    return "$name/$VERSION";
}

sub get    { my ($self, @args) = @_; return $self->_short('get',    @args) }
sub head   { my ($self, @args) = @_; return $self->_short('head',   @args) }
sub put    { my ($self, @args) = @_; return $self->_short('put',    @args) }
sub post   { my ($self, @args) = @_; return $self->_short('post',   @args) }
sub patch  { my ($self, @args) = @_; return $self->_short('patch',  @args) }
sub delete { my ($self, @args) = @_; return $self->_short('delete', @args) }    ## no critic (ProhibitBuiltinHomonyms)

sub _short {
    my ($self, $method, $url, $args, @more) = @_;
    @more == 0 && defined $url && (!defined $args || ref $args eq 'HASH')
        or Carp::croak("Usage: \$http->$method(URL, [HASHREF])\n");
    return $self->request(uc $method, $url, $args || {});
}

sub post_form {
    my ($self, $url, $data, $args) = @_;
    (@_ == 3 || @_ == 4 && ref $args eq 'HASH') or Carp::croak("Usage: \$http->post_form(URL, DATAREF, [HASHREF])\n");
    my %headers = %{ ($args || {})->{headers} || {} };
    CORE::delete $headers{$_} for grep { lc eq 'content-type' } keys %headers;
    return $self->request('POST', $url, {
        %{ $args || {} },
        content => $self->www_form_urlencode($data),
        headers => { %headers, 'content-type' => 'application/x-www-form-urlencoded' },
    });
}

sub mirror {
    my ($self, $url, $file, $args) = @_;
    (@_ == 3 || @_ == 4 && ref $args eq 'HASH') or Carp::croak("Usage: \$http->mirror(URL, FILE, [HASHREF])\n");
    my %args = %{ $args || {} };
    if (-e $file && !grep { lc eq 'if-modified-since' } keys %{ $args{headers} || {} }) {
        my $changed = (stat $file)[9];
        $args{headers} = { %{ $args{headers} || {} }, 'if-modified-since' => _http_date($changed) } if $changed;
    }
    my $part = CPANBridge::File::Part->beside($file)
        or Carp::croak("Error: Could not create temporary file beside $file for downloading: $!\n");
    $args{data_callback} = sub { $part->write($_[0]) or die "Error: Could not write to $file: $!\n" };
    my $response = eval { $self->request('GET', $url, \%args) };
    my $error = $@;
    my $saved = 1;
    if ($response && $response->{success}) {
        $saved = $part->finish;
        $error = "Error: Could not replace $file: $!\n" if !$saved;
        my $changed = _seconds($response->{headers}{'last-modified'});
        utime $changed, $changed, $file if $saved && defined $changed;
    }
    undef $part;
    die $error if !$response;
    Carp::croak($error) if !$saved;
    $response->{success} ||= $response->{status} eq '304';
    return $response;
}

sub can_ssl { return wantarray ? (1, '') : 1 }

# Connections are the broker's.
sub connected { return }

sub request {
    my ($self, $method, $url, $args, @more) = @_;
    @more == 0 && defined $method && defined $url && (!defined $args || ref $args eq 'HASH')
        or Carp::croak("Usage: \$http->request(METHOD, URL, [HASHREF])\n");
    my %args = %{ $args || {} };
    my $response = eval { $self->_request(uc $method, $url, \%args, []) };
    return $response if $response;
    my $error = $@;
    return $self->_internal($url, [], $error);
}

# Answers of our own, as the original has them.
sub _internal {
    my ($self, $url, $redirects, $error) = @_;
    $error = "$error";
    return {
        url     => $url,
        success => '',
        status  => 599,
        reason  => 'Internal Exception',
        content => $error,
        headers => { 'content-type' => 'text/plain', 'content-length' => length $error },
        @$redirects ? (redirects => $redirects) : (),
    };
}

sub _request {
    my ($self, $method, $url, $args, $redirects, $home) = @_;
    my ($origin) = $url =~ m{\A(https?://[^/?#]+)}i or die "Cannot parse URL: '$url'\n";
    $home = lc $origin if !defined $home;
    my %headers = $self->_headers($method, $url, $args, lc $origin eq $home);
    my ($claimed) = map { $headers{$_} } grep { lc eq 'content-length' } keys %headers;
    my ($on_data, $most, $length, $response) = ($args->{data_callback}, $self->{max_size}, 0);
    my $too_long = sub {
        die "Size of response body exceeds the maximum allowed of $most\n" if defined $most && $_[0] > $most;
    };
    my $reply = $self->_exchange($url)->run(
        method   => $method,
        url      => _as_bytes($url),
        headers  => \%headers,
        body     => _content($args),
        length   => $claimed,
        timeout  => $self->{timeout},
        max_size => $most,
        on_head  => sub { $response = _response($_[0], $url, $redirects) },
        # Without a callback of the script's a short body comes with its head.
        $on_data ? (on_data => sub {
            my ($data) = @_;
            $length += length $data;
            $too_long->($length);
            # As in the original, only what succeeds is for the callback.
            $response->{success} ? $on_data->($data, $response) : ($response->{content} .= $data);
        }) : (),
    );
    die $self->_complaint($reply) . "\n" if $reply->{error};
    die "Unexpected end of stream ($reply->{aborted})\n" if $reply->{aborted};
    _add_headers($response->{headers}, @{ $reply->{trailers} }) if $reply->{trailers};
    if (!$on_data) {
        $response->{content} = CORE::delete $reply->{content};
        $too_long->(length $response->{content});
    }
    if ($self->{cookie_jar}) {
        my $set = $response->{headers}{'set-cookie'};
        $self->{cookie_jar}->add($url, $_) for ref $set ? @$set : defined $set ? $set : ();
    }
    my ($next, $then) = $self->_redirect($response, $method, $url);
    if (defined $next && @$redirects < $self->{max_redirect}) {
        my %again = %$args;
        if ($then ne $method) {
            CORE::delete @again{qw(content trailer_callback)};
            $again{headers} = { map { $_ => $args->{headers}{$_} } grep { !/\Acontent-/i } keys %{ $args->{headers} || {} } };
        }
        # What identifies the script is for the server it was meant for.
        my $elsewhere = lc(($next =~ m{\A(https?://[^/?#]+)}i)[0]) ne lc $origin;
        my %private = $self->_private($args);
        $again{headers} = { map { $_ => $again{headers}{$_} } grep { !$private{ lc $_ } } keys %{ $again{headers} || {} } } if $elsewhere;
        my $last = eval { $self->_request($then, $next, \%again, [@$redirects, $response], $home) };
        return $last || $self->_internal($next, [@$redirects, $response], $@);
    }
    return $response;
}

# Headers for the server alone that was asked: what identifies the script, and what it named.
sub _private {
    my ($self, $args) = @_;
    return map { lc $_ => 1 } qw(authorization cookie proxy-authorization), map { ref $_ ? @$_ : defined $_ ? $_ : () }
        $self->{private_headers}, $args->{private_headers};
}

sub _complaint {
    my ($self, $reply) = @_;
    my $error = $reply->{error};
    $error = CPANBridge::TLS::in_words_of_options($error, %{ $self->{SSL_options} || {} }) if $reply->{code} eq 'invalid_params';
    return "Timed out while waiting for socket to become ready for reading" if $error eq 'read timeout';
    return "Could not connect to '$1': $2" if $error =~ /\ACan't connect to (\S+) \((.*)\)\z/;
    return $error;
}

sub _response {
    my ($reply, $url, $redirects) = @_;
    my %headers;
    _add_headers(\%headers, @{ $reply->{headers} });
    return {
        url      => $url,
        success  => $reply->{status} =~ /\A2/ ? 1 : '',
        status   => "$reply->{status}",
        reason   => $reply->{reason},
        headers  => \%headers,
        content  => '',
        protocol => 'HTTP/1.1',
        @$redirects ? (redirects => $redirects) : (),
    };
}

sub _add_headers {
    my ($headers, @fields) = @_;
    while (my ($spelt, $value) = splice @fields, 0, 2) {
        my $name = lc $spelt;
        if (!exists $headers->{$name}) { $headers->{$name} = $value }
        elsif (ref $headers->{$name}) { push @{ $headers->{$name} }, $value }
        else { $headers->{$name} = [$headers->{$name}, $value] }
    }
    return;
}

sub _redirect {
    my ($self, $response, $method, $url) = @_;
    my $location = $response->{headers}{location};
    $location = $location->[0] if ref $location;
    return if !defined $location || $response->{status} !~ /\A30[12378]\z/;
    my $next = $location =~ m{\A\w[\w+.-]*:} ? $location : _absolute($location, $url);
    return if $next !~ m{\Ahttps?://}i;
    return ($next, $method eq 'HEAD' ? 'HEAD' : 'GET') if $response->{status} eq '303';
    return ($next, $method) if $method eq 'GET' || $method eq 'HEAD';
    return;
}

# RFC 3986, 5.2, for what servers send as Location.
sub _absolute {
    my ($location, $base) = @_;
    my ($scheme, $authority, $path) = $base =~ m{\A(https?):(//[^/?#]*)([^?#]*)}i;
    return "$scheme:$location" if $location =~ m{\A//};
    return "$scheme:$authority$location" if $location =~ m{\A/};
    return "$scheme:$authority" . (length $path ? $path : '/') . $location if $location =~ /\A\?/;
    $path =~ s{[^/]*\z}{};
    my @kept;
    my @parts = split m{/}, (length $path ? $path : '/') . $location, -1;
    shift @parts;
    for my $index (0 .. $#parts) {
        my $part = $parts[$index];
        pop @kept if $part eq '..';
        push @kept, $part if $part ne '.' && $part ne '..';
        push @kept, '' if $index == $#parts && ($part eq '.' || $part eq '..');
    }
    return "$scheme:$authority/" . join '/', @kept;
}

sub _headers {
    my ($self, $method, $url, $args, $at_home) = @_;
    my (%headers, %name);
    my %private = $at_home ? () : $self->_private($args);
    my $defaults = $self->{default_headers} || {};
    for my $given ({ map { $_ => $defaults->{$_} } grep { !$private{ lc $_ } } keys %$defaults }, $args->{headers}) {
        for my $name (keys %{ $given || {} }) {
            my $value = $given->{$name};
            next if !defined $value;
            my $spelt = $name{ lc $name } ||= $name;
            $headers{$spelt} = $value;
        }
    }
    die "The 'Host' header must not be provided as header option\n" if exists $name{host};
    $headers{'User-Agent'} = $self->{agent} if !exists $name{'user-agent'};
    if (defined $args->{content} && (ref $args->{content} || length $args->{content})) {
        $headers{'Content-Type'} = 'application/octet-stream' if !exists $name{'content-type'};
    }
    if ($self->{cookie_jar}) {
        my $cookies = $self->{cookie_jar}->cookie_header($url);
        $headers{Cookie} = $cookies if defined $cookies && length $cookies;
    }
    return %headers;
}

# The original sends a URL's bytes as they are, which is no good form: as escapes they are the same to a server. A host is a name, and a
# wide character no byte: they are the broker's to translate.
sub _as_bytes {
    my ($url) = @_;
    my $bytes = CPANBridge::Bytes::of($url);
    return $url if !defined $bytes || $bytes !~ /[^\x00-\x7f]/;
    my ($scheme, $user, $host, $rest) = $bytes =~ m{\A(https?://)([^/?#]*@)?([^/?#]*)(.*)\z}is;
    $_ =~ s/([^\x00-\x7f])/$ESCAPE{$1}/g for grep { defined } $user, $rest;
    return join '', $scheme, defined $user ? $user : '', $host, $rest;
}

sub _content {
    my ($args) = @_;
    my $content = $args->{content};
    return undef if !defined $content || !ref $content && !length $content;    ## no critic (ProhibitExplicitReturnUndef)
    return $content if ref $content;
    utf8::downgrade($content, 1) or die "Wide character in request message body\n";
    return $content;
}

sub _exchange {
    my ($self, $url) = @_;
    my ($scheme, $host) = $url =~ m{\A(https?)://(?:[^/?#@]*@)?(\[[^\]]*\]|[^/?#:]*)}i;
    my $proxy = CPANBridge::HTTP::Proxy::of_tiny($self, lc $scheme, $host);
    # Without TLS, what is said of it is not looked at.
    my $tls = lc $scheme eq 'https' || defined $proxy && $proxy =~ /\Ahttps:/i;
    my $key = join ' ', $tls ? 'tls' : 'plain', defined $proxy ? $proxy : '';
    return $self->{exchange}{$key} ||= do {
        my %tls = $tls ? CPANBridge::TLS::of_tiny($self->{verify_SSL}, %{ $self->{SSL_options} || {} }) : ();
        CPANBridge::HTTP::Exchange->new(tls => \%tls, proxy => $proxy);
    };
}

sub www_form_urlencode {
    my ($self, $data) = @_;
    (@_ == 2 && (ref $data eq 'HASH' || ref $data eq 'ARRAY')) or Carp::croak("Usage: \$http->www_form_urlencode(DATAREF)\n");
    my @pairs = ref $data eq 'HASH' ? %$data : @$data;
    @pairs % 2 == 0 or Carp::croak("form data reference must have an even number of terms\n");
    my @terms;
    while (my ($name, $value) = splice @pairs, 0, 2) {
        unshift(@pairs, map { $name => $_ } @$value), next if ref $value eq 'ARRAY';
        push @terms, join '=', map {
            my $text = defined $_ ? "$_" : '';
            utf8::encode($text);
            $text =~ s/([^A-Za-z0-9\-._~])/$ESCAPE{$1}/g;
            $text;
        } $name, $value;
    }
    return join '&', ref $data eq 'ARRAY' ? @terms : sort @terms;
}

my @DAYS   = qw(Sun Mon Tue Wed Thu Fri Sat);
my @MONTHS = qw(Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec);

sub _http_date {
    my ($time) = @_;
    my ($second, $minute, $hour, $day, $month, $year, $weekday) = gmtime $time;
    return sprintf '%s, %02d %s %04d %02d:%02d:%02d GMT', $DAYS[$weekday], $day, $MONTHS[$month], $year + 1900, $hour, $minute, $second;
}

sub _seconds {
    my ($text) = @_;
    $text = $text->[0] if ref $text;
    return if !defined $text || $text !~ /\A\w+, (\d+) (\w{3}) (\d{4}) (\d\d):(\d\d):(\d\d) GMT\z/;
    my ($day, $name, $year, @clock) = ($1, $2, $3, $6, $5, $4);
    my ($month) = grep { $MONTHS[$_] eq $name } 0 .. 11;
    require Time::Local;
    return defined $month ? eval { Time::Local::timegm(@clock, $day, $month, $year) } : undef;
}

1;

__END__

=encoding utf8

=head1 NAME

CPANBridge::HTTP - HTTP and HTTPS with the interface of HTTP::Tiny, over the broker

=head1 SYNOPSIS

    use CPANBridge::HTTP;

    my $response = CPANBridge::HTTP->new->get('https://www.example.com/');
    die "$response->{status} $response->{reason}\n" if !$response->{success};
    print $response->{content};

=head1 DESCRIPTION

L<HTTP::Tiny> is in core Perl, but speaks TLS only with modules that are not. This class has its interface; the broker
does the network. Certificates are checked, against the system's authorities unless C<SSL_options> name others.

What differs: connections are kept by the broker, so C<keep_alive> and C<local_address> are accepted and change nothing, and
a C<peer> cannot be chosen. A body from a code reference is gathered by the broker (up to 256 MiB) and sent with its
length; where there is a C<Content-Length> and it is another, nothing is sent. C<trailer_callback> is not called. What comes behind a body in chunks is among the C<headers>, but for what would have to be known before it (a
length, a cookie, where to go).

A redirect to another server (another scheme, host or port) takes no C<Authorization>, C<Cookie> and C<Proxy-Authorization> along,
be they the request's or C<default_headers>, and none of the headers that C<private_headers> names.

C<SSL_options> work as L<CPANBridge::TLS> says: one that does not is refused, by an answer with the status 599 that names it.

=head1 METHODS

=head2 new

    my $http = CPANBridge::HTTP->new(%attributes);

Attributes: C<agent>, C<cookie_jar> (an object with C<add> and C<cookie_header>, as L<HTTP::CookieJar>), C<default_headers>,
C<local_address>, C<keep_alive>, C<max_redirect> (5), C<max_size>, C<http_proxy>, C<https_proxy>, C<proxy>, C<no_proxy> (from the
environment if not given), C<private_headers> (a list of names), C<timeout> (60 seconds without a byte), C<verify_SSL> (true), C<SSL_options>.

=head2 get

=head2 head

=head2 put

=head2 post

=head2 patch

=head2 delete

    my $response = $http->get($url, \%options);

L</request> with that method.

=head2 request

    my $response = $http->request($method, $url, \%options);

Options: C<headers>, C<private_headers> (a list of names, besides the attribute's), C<content> (bytes, or a code reference that returns them piece by piece), C<data_callback> (called with each
piece of a successful body, and the response). Returns a hash: C<success>, C<url>, C<status>, C<reason>, C<headers> (names in lower
case; a list where there are several values), C<content>, C<redirects>. What fails without an answer has the status 599,
and the reason in C<content>.

=head2 post_form

    my $response = $http->post_form($url, \%fields, \%options);

=head2 mirror

    my $response = $http->mirror($url, $file, \%options);

Fetches into a file, if it has changed since. The file is written under another name and renamed when it is whole.

=head2 www_form_urlencode

    my $text = $http->www_form_urlencode(\%fields);

=head2 can_ssl

True.

=head2 connected

Always undef: connections are the broker's.

=head2 agent

As in the original: one that is empty or ends in a space gets the default one behind it.

=cut
