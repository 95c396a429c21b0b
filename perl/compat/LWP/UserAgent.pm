package LWP::UserAgent;

# A stand-in for LWP::UserAgent 6.x over the broker cpan-bridge, written from the original's documentation and from what it was
# seen to do.

use strict;
use warnings;

use Carp ();
use HTTP::Config ();
# Every response has a date; and scripts call its functions without loading it themselves, as the original has loaded it.
use HTTP::Date ();
use HTTP::Headers ();
use HTTP::Request ();
use HTTP::Response ();
use LWP::MemberMixin ();
use LWP::Protocol ();
use LWP::UserAgent::Handlers ();
use LWP::UserAgent::Proxies ();
use URI ();

our $VERSION = '6.68';
our @ISA = ('LWP::UserAgent::Handlers', 'LWP::UserAgent::Proxies', 'LWP::MemberMixin');

# Which programs look at that load no more than this.
$LWP::VERSION = $VERSION if !defined $LWP::VERSION;

# As they are set, and what they are if they are not.
my %SIMPLE = (
    from                  => undef,
    local_address         => undef,
    max_redirect          => 7,
    max_size              => undef,
    parse_head            => 1,
    protocols_allowed     => undef,
    protocols_forbidden   => undef,
    requests_redirectable => ['GET', 'HEAD'],
    send_te               => 1,
    show_progress         => undef,
    use_eval              => 1,
);

for my $name (keys %SIMPLE) {
    ## no critic (ProhibitNoStrict)
    no strict 'refs';
    *{$name} = sub {
        my ($self, @value) = @_;
        my $old = $self->{$name};
        $self->{$name} = $value[0] if @value;
        return $old;
    };
}

sub new {
    my ($class, @options) = @_;
    Carp::croak('Options to LWP::UserAgent should be key/value pairs, not hash reference') if ref $options[0] eq 'HASH';
    my %options = @options;
    my $self = bless { def_headers => undef, no_proxy => [], proxy => {}, timeout => exists $options{timeout} ? delete $options{timeout} : 180 }, $class;
    for my $name (keys %SIMPLE) {
        my $default = $SIMPLE{$name};
        $self->{$name} = exists $options{$name} ? delete $options{$name} : ref $default ? [@$default] : $default;
    }
    my $agent = delete $options{agent};
    $self->agent(defined $agent ? $agent : $self->_agent);
    $self->{ssl_opts} = $self->_ssl_defaults(%{ delete $options{ssl_opts} || {} });
    my ($jar, $jar_class) = (delete $options{cookie_jar}, delete $options{cookie_jar_class});
    $self->{cookie_jar_class} = $jar_class || 'HTTP::Cookies';
    my $default_headers = delete $options{default_headers};
    $self->default_headers($default_headers) if $default_headers;
    # Connections are the broker's, which keeps them; whoever asks for it is content.
    my ($cache, $keep_alive) = (delete $options{conn_cache}, delete $options{keep_alive});
    Carp::croak("Can't mix conn_cache and keep_alive") if $cache && $keep_alive;
    if ($keep_alive && !$cache) {
        require LWP::ConnCache;
        $cache = LWP::ConnCache->new(ref $keep_alive eq 'HASH' ? %$keep_alive : (total_capacity => $keep_alive));
    }
    $self->{conn_cache} = $cache;
    my $private = delete $options{private_headers};
    $self->private_headers(ref $private ? @$private : $private) if defined $private;
    my ($environment, $exempt, $proxies) = delete @options{qw(env_proxy no_proxy proxy)};
    $environment = $ENV{PERL_LWP_ENV_PROXY} if !defined $environment;
    $self->no_proxy(@$exempt) if ref $exempt;
    $self->proxy($proxies) if ref $proxies;
    Carp::croak("Can't load cookies: cookie_jar is no object") if defined $jar && !ref $jar;
    $self->cookie_jar($jar) if $jar;
    Carp::carp('Unrecognized LWP::UserAgent options: ' . join ', ', sort keys %options) if %options && $^W;
    $self->env_proxy if $environment;
    return $self;
}

sub _agent { return "libwww-perl/$VERSION" }

sub _ssl_defaults {
    my ($self, %given) = @_;
    my %options = %given;
    my $verify = $ENV{PERL_LWP_SSL_VERIFY_HOSTNAME};
    $options{verify_hostname} = defined $verify ? $verify : 1 if !exists $options{verify_hostname};
    for my $file (grep { defined && length } @ENV{qw(PERL_LWP_SSL_CA_FILE HTTPS_CA_FILE)}) {
        $options{SSL_ca_file} = $file if !exists $options{SSL_ca_file};
    }
    for my $path (grep { defined && length } @ENV{qw(PERL_LWP_SSL_CA_PATH HTTPS_CA_DIR)}) {
        $options{SSL_ca_path} = $path if !exists $options{SSL_ca_path};
    }
    return \%options;
}

# --- Attributes

sub agent {
    my ($self, @value) = @_;
    my $old = $self->{agent};
    if (@value) {
        my $agent = $value[0];
        $agent .= $self->_agent if defined $agent && $agent =~ /\s+\z/;
        $self->{agent} = $agent;
        $self->{def_headers}->header('User-Agent', $agent) if $self->{def_headers} && defined $agent && length $agent;
        $self->{def_headers}->remove_header('User-Agent') if $self->{def_headers} && !(defined $agent && length $agent);
    }
    return $old;
}

sub ssl_opts {
    my ($self, @args) = @_;
    return keys %{ $self->{ssl_opts} } if !@args;
    if (@args == 1) {
        return $self->{ssl_opts}{ $args[0] };
    }
    my $old;
    while (my ($name, $value) = splice @args, 0, 2) {
        $old = $self->{ssl_opts}{$name};
        if (defined $value) {
            $self->{ssl_opts}{$name} = $value;
        }
        else {
            delete $self->{ssl_opts}{$name};
        }
    }
    return $old;
}

sub conn_cache {
    my ($self, @value) = @_;
    my $old = $self->{conn_cache};
    if (@value) {
        $self->{conn_cache} = ref $value[0] eq 'HASH' ? do { require LWP::ConnCache; LWP::ConnCache->new(%{ $value[0] }) } : $value[0];
        $self->_tell_kept;
    }
    return $old;
}

sub timeout {
    my ($self, @value) = @_;
    my $old = $self->{timeout};
    if (@value) {
        $self->{timeout} = $value[0];
        $self->_tell_kept;
    }
    return $old;
}

# Connections that are kept have this object's limit.
sub _tell_kept {
    my ($self) = @_;
    my $cache = $self->{conn_cache} or return;
    return if !eval { $cache->can('get_connections') };
    $_->timeout($self->{timeout}) for grep { ref && eval { $_->can('timeout') } } $cache->get_connections;
    return;
}

sub cookie_jar {
    my ($self, @value) = @_;
    my $old = $self->{cookie_jar};
    if (@value) {
        my $jar = $value[0];
        if (ref $jar eq 'HASH') {
            my $class = $self->{cookie_jar_class};
            (my $file = "$class.pm") =~ s{::}{/}g;
            require $file;
            $jar = $class->new(%$jar);
        }
        $self->{cookie_jar} = $jar;
        $self->set_my_handler('request_prepare', $jar ? sub { my ($request) = @_; _add_cookies($jar, $request); return } : undef);
        $self->set_my_handler('response_done', $jar ? sub { my ($response) = @_; $jar->extract_cookies($response); return } : undef);
    }
    return $old;
}

# A request that is sent again has those of last time.
sub _add_cookies {
    my ($jar, $request) = @_;
    my $own = exists $request->{own_cookie} && defined $request->{sent_cookie} && ($request->header('Cookie') || '') eq $request->{sent_cookie}
        ? $request->{own_cookie} : $request->header('Cookie');
    $request->header(Cookie => $own);
    # What the script says itself, or was said when the request went out before, is said once.
    $jar->add_cookie_header($request) if !defined $request->header('Cookie');
    @{$request}{qw(own_cookie sent_cookie)} = ($own, scalar $request->header('Cookie'));
    return;
}

sub default_headers {
    my ($self, @value) = @_;
    my $old = $self->{def_headers} ||= HTTP::Headers->new;
    if (@value) {
        Carp::croak('default_headers not set to HTTP::Headers compatible object')
            if @value > 1 || !ref $value[0] || !eval { $value[0]->can('header_field_names') };
        $self->{def_headers} = $value[0];
    }
    return $old;
}

sub default_header {
    my ($self, @args) = @_;
    return $self->default_headers->header(@args);
}

# Names of headers that do not go to another server, besides those that never do. The original has no such thing.
sub private_headers {
    my ($self, @names) = @_;
    my @old = @{ $self->{private_headers} || [] };
    $self->{private_headers} = [@names] if @names;
    return @old;
}

sub credentials {
    my ($self, $netloc, $realm, @pair) = @_;
    my $host = lc $netloc;
    $realm = '' if !defined $realm;
    if (@pair) {
        $self->{basic_authentication}{$host}{$realm} = [@pair];
        return;
    }
    my $known = $self->{basic_authentication}{$host}{$realm} or return;
    return wantarray ? @$known : join ':', @$known;
}

# Meant to be overridden by scripts that ask somebody.
sub get_basic_credentials {
    my ($self, $realm, $uri, $is_proxy) = @_;
    return if $is_proxy;
    my @known = $self->credentials($uri->host_port, $realm);
    return @known if @known || !defined $realm || $realm !~ /,/;
    # The original makes a semicolon of each comma in a realm, and scripts go by that.
    (my $changed = $realm) =~ tr/,/;/;
    return $self->credentials($uri->host_port, $changed);
}

sub is_protocol_supported {
    my ($self, $scheme) = @_;
    $scheme = ref $scheme ? $scheme->scheme : $scheme;
    Carp::croak("Illegal scheme '$scheme' passed to is_protocol_supported") if $scheme =~ /\W/;
    $scheme = lc $scheme;
    return 0 if !$self->_is_allowed($scheme);
    return LWP::Protocol::implementor($scheme) ? 1 : 0;
}

sub _is_allowed {
    my ($self, $scheme) = @_;
    if (my $allowed = $self->{protocols_allowed}) {
        return scalar grep { lc eq $scheme } @$allowed;
    }
    if (my $forbidden = $self->{protocols_forbidden}) {
        return !grep { lc eq $scheme } @$forbidden;
    }
    return 1;
}

sub is_online {
    my ($self) = @_;
    return 1 if $self->get('http://www.msftncsi.com/ncsi.txt')->content eq 'Microsoft NCSI';
    return 1 if $self->get('http://www.apple.com')->is_success;
    return 0;
}

sub clone {
    my ($self) = @_;
    my $copy = bless {%$self}, ref $self;
    delete @{$copy}{qw(handlers conn_cache)};
    $copy->{$_} = ref $self->{$_} eq 'HASH' ? { %{ $self->{$_} } } : $self->{$_} for qw(proxy ssl_opts);
    $copy->{$_} = ref $self->{$_} eq 'ARRAY' ? [@{ $self->{$_} }] : $self->{$_} for qw(no_proxy requests_redirectable);
    $copy->{def_headers} = $self->{def_headers}->clone if $self->{def_headers};
    for my $phase (keys %{ $self->{handlers} || {} }) {
        $copy->{handlers}{$phase} = HTTP::Config->new;
        $copy->{handlers}{$phase}->add({%$_}) for $self->{handlers}{$phase}->entries;
    }
    # The jar is one for both.
    $copy->cookie_jar($self->{cookie_jar}) if $self->{cookie_jar};
    return $copy;
}

# --- Requests

sub get    { my ($self, @args) = @_; return $self->_short('GET',    @args) }
sub head   { my ($self, @args) = @_; return $self->_short('HEAD',   @args) }
sub delete { my ($self, @args) = @_; return $self->_short('DELETE', @args) }    ## no critic (ProhibitBuiltinHomonyms)
sub post   { my ($self, @args) = @_; return $self->_short('POST',   @args) }
sub put    { my ($self, @args) = @_; return $self->_short('PUT',    @args) }
sub patch  { my ($self, @args) = @_; return $self->_short('PATCH',  @args) }
sub options { my ($self, @args) = @_; return $self->_short('OPTIONS', @args) }

sub _short {
    my ($self, $method, $url, @parameters) = @_;
    # What HTTP::Request::Common makes of it as well, without that module: a script with one `get` need not load it.
    return $self->request(HTTP::Request->new($method => $url)) if !@parameters && $method =~ /\A(?:GET|HEAD)\z/;
    require HTTP::Request::Common;
    my $first = $method =~ /\A(?:POST|PUT|PATCH|OPTIONS)\z/ && @parameters && ref $parameters[0] ? 1 : 0;
    my ($arg, $size) = $self->_process_colonic_headers(\@parameters, $first);
    my $make = HTTP::Request::Common->can($method);
    return $self->request($make->($url, @parameters), $arg, $size);
}

# :content_file, :content_cb and :read_size_hint among the headers are for us.
sub _process_colonic_headers {
    my ($self, $parameters, $from) = @_;
    my ($arg, $size);
    for (my $index = $from; $index < @$parameters; $index += 2) {
        my ($name, $value) = @{$parameters}[$index, $index + 1];
        next if !defined $name || $name !~ /\A:(content_file|content_cb|read_size_hint)\z/;
        if ($1 eq 'read_size_hint') {
            Carp::croak("A :read_size_hint value must be a positive number") if !defined $value || $value !~ /\A\d+\z/;
            $size = $value;
        }
        elsif ($1 eq 'content_cb') {
            Carp::croak('A :content_cb value must be a coderef') if ref $value ne 'CODE';
            $arg = $value;
        }
        else {
            Carp::croak("A :content_file value can't be undef")      if !defined $value;
            Carp::croak("A :content_file value can't be a reference") if ref $value && !eval { $value->isa('GLOB') || overload::Method($value, '""') };
            Carp::croak("A :content_file value can't be \"\"")        if !length $value;
            $arg = $value;
        }
        splice @$parameters, $index, 2;
        $index -= 2;
    }
    return ($arg, $size);
}

sub prepare_request {
    my ($self, $request) = @_;
    Carp::croak('Method missing') if !$request->method;
    my $uri = $request->uri;
    Carp::croak('URL missing') if !$uri;
    Carp::croak('URL must be absolute') if !$uri->scheme;
    $self->run_handlers('request_preprepare', $request);
    my $default = $self->{def_headers};
    if ($default) {
        my $away = defined $request->{home} && _origin($request->uri) ne $request->{home};
        my %private = $away ? map { lc $_ => 1 } $self->_private_headers : ();
        $request->init_header($_, [$default->header($_)]) for grep { !$private{ lc $_ } } $default->header_field_names;
    }
    $request->init_header('User-Agent', $self->{agent}) if defined $self->{agent} && length $self->{agent};
    $request->init_header('From', $self->{from}) if defined $self->{from} && length $self->{from};
    $self->run_handlers('request_prepare', $request);
    return $request;
}

sub simple_request {
    my ($self, $request, $arg, $size) = @_;
    # Where a request throws, by use_eval, what is thrown stays; else what the script had.
    my $eval_error = $@;
    Carp::croak('You need a request object, not ' . (ref $request ? 'a ' . ref $request : defined $request ? "'$request'" : 'undef')) if !ref $request || !eval { $request->can('method') };
    my $response = $self->_prepare_and_send($request, $arg, $size);
    $@ = $eval_error;
    return $response;
}

sub _prepare_and_send {
    my ($self, $request, $arg, $size) = @_;
    my $prepared = eval { $self->prepare_request($request) };
    if (!$prepared) {
        (my $why = $@) =~ s/ at .* line \d+.*//s;
        chomp $why;
        return _new_response($request, 400, $why);
    }
    return $self->send_request($prepared, $arg, $size);
}

sub send_request {
    my ($self, $request, $arg, $size) = @_;
    my $scheme = $request->uri->scheme;
    $self->progress('begin', $request);
    my $response = $self->run_handlers('request_send', $request);
    $response = $self->_transmit($scheme, $request, $arg, $size) if !$response;
    # Handlers that answer need not say to what.
    $response->request($request) if !$response->request;
    $response->header('Client-Date' => HTTP::Date::time2str(time)) if !defined $response->header('Client-Date');
    $self->run_handlers('response_done', $response);
    $self->progress('end', $response);
    return $response;
}

sub _transmit {
    my ($self, $scheme, $request, $arg, $size) = @_;
    return _new_response($request, 500, "Access to '$scheme' URIs has been disabled") if !$self->_is_allowed(lc $scheme);
    my $proxy = $self->_proxy_for($request);
    # A proxy's own scheme says who speaks to it; the broker speaks to those of http and https.
    my ($through) = defined $proxy ? $proxy =~ /\A([A-Za-z][\w.+\-]*):/ : ();
    my $is_ours = !defined $through || $scheme =~ /\Ahttps?\z/i && $through =~ /\A(?:https?|socks\w*|connect)\z/i;
    my $speaks = $is_ours ? $scheme : lc $through;
    my $class = LWP::Protocol::implementor($speaks)
        or return _new_response($request, 501, "Protocol scheme '$speaks' is not supported");
    my $work = sub { $class->new($speaks, $self)->request($request, $proxy, $arg, $size, $self->{timeout}) };
    return $work->() if !$self->{use_eval};
    my $response = eval { $work->() };
    return $response if $response;
    my $error = $@;
    return $error if ref $error && eval { $error->isa('HTTP::Response') };
    my $full = "$error";
    (my $status = $full) =~ s/\n.*//s;
    $status =~ s/ at .* line \d+.*//s;
    my $code = $status =~ s/\A(\d\d\d)\s+// ? $1 : 500;
    return _new_response($request, $code, $status, $full);
}

# An answer of our own.
sub _new_response {
    my ($request, $code, $message, $content) = @_;
    my $response = HTTP::Response->new($code, $message);
    $response->request($request);
    $response->header('Client-Date' => HTTP::Date::time2str(time));
    $response->header('Client-Warning' => 'Internal response');
    $response->header('Content-Type' => 'text/plain');
    $response->content($content || "$code $message\n");
    return $response;
}

sub request {
    my $self = shift;
    my $eval_error = $@;
    my $response = $self->_request(@_);
    $@ = $eval_error;
    return $response;
}

sub _request {
    my ($self, $request, $arg, $size, $previous) = @_;
    # What the script asks itself begins anew, wherever its request has been.
    delete $request->{home} if !$previous && ref $request;
    my $response = $self->simple_request($request, $arg, $size);
    $response->previous($previous) if $previous;
    if ($response->redirects >= $self->{max_redirect}) {
        if ($response->header('Location') && $response->is_redirect && $response->code ne "304") {
            $response->header('Client-Warning' => "Redirect loop detected (max_redirect = $self->{max_redirect})");
        }
        return $response;
    }
    if (my $next = $self->run_handlers('response_redirect', $response)) {
        return $self->request($next, $arg, $size, $response);
    }
    my $code = $response->code;
    if ($code =~ /\A30[12378]\z/) {
        return $self->_follow($response, $request, $arg, $size);
    }
    if ($code == 401 || $code == 407) {
        return $self->_authenticate($response, $request, $arg, $size);
    }
    return $response;
}

sub _follow {
    my ($self, $response, $request, $arg, $size) = @_;
    my $location = $response->header('Location');
    return $response if !defined $location;
    my $next = $request->clone;
    # For the server that was asked, or made anew.
    $next->remove_header('Host', 'Cookie');
    {
        local $URI::ABS_ALLOW_RELATIVE_SCHEME = 1;
        my $base = $response->base;
        $next->uri(URI->new(_ascii($location), $base)->abs($base || ''));
    }
    my ($from, $to) = ($request->uri, $next->uri);
    $next->remove_header('Referer')
        if $next->header('Referer') && $from->scheme eq 'https' && ($to->scheme || '') eq 'http';
    # What identifies the script is not for another server. The original leaves it on; see WHAT DIFFERS.
    $next->{home} = $request->{home} = defined $request->{home} ? $request->{home} : _origin($from);
    $next->remove_header($self->_private_headers) if _origin($to) ne _origin($from);
    if ($response->code == 303 || $response->code == 302) {
        if ($next->method ne 'GET' && $next->method ne 'HEAD') {
            $next->method('GET');
            $next->content('');
            $next->remove_content_headers;
        }
    }
    return $response if !$self->redirect_ok($next, $response);
    return $self->request($next, $arg, $size, $response);
}

sub _private_headers {
    my ($self) = @_;
    return (qw(Authorization Cookie Proxy-Authorization), $self->private_headers);
}

# The server of a URL: its scheme, host and port.
sub _origin {
    my ($uri) = @_;
    return "$uri" if !$uri->can('host_port');
    return lc join '://', map { defined $_ ? $_ : '' } $uri->scheme, $uri->host_port;
}

# Servers that send characters beyond ASCII mean their UTF-8.
sub _ascii {
    my ($text) = @_;
    utf8::encode($text) if utf8::is_utf8($text);
    return $text;
}

sub redirect_ok {
    my ($self, $next, $response) = @_;
    my $method = $response->request->method;
    return 0 if !grep { $_ eq $method } @{ $self->requests_redirectable || [] };
    # A server that speaks HTTP sends nobody to files, nor to what it can't reach itself. Classes of the script's own are its own affair.
    my $scheme = lc($next->uri->scheme || '');
    if ($LWP::Protocol::BUILT_IN{$scheme} && $scheme !~ /\Ahttps?\z/) {
        $response->header('Client-Warning' => "Can't redirect to a $scheme:// URL!");
        return 0;
    }
    return 1;
}

sub _authenticate {
    my ($self, $response, $request, $arg, $size) = @_;
    my $is_proxy = $response->code == 407;
    my $field = $is_proxy ? 'Proxy-Authenticate' : 'WWW-Authenticate';
    my @challenges = $response->header($field);
    if (!@challenges) {
        $response->header('Client-Warning' => 'Missing Authenticate header');
        return $response;
    }
    require HTTP::Headers::Util;
    for my $text (@challenges) {
        # Within quotes a comma is what it is.
        (my $changed = $text) =~ s/("(?:[^"\\]|\\.)*+")|,/defined $1 ? $1 : ';'/gse;
        my ($challenge) = HTTP::Headers::Util::split_header_words($changed);
        my $scheme = lc shift @$challenge;
        shift @$challenge;
        my %parameter = @$challenge;
        next if $scheme !~ /\A[a-z]+(?:-[a-z]+)*\z/;
        my $class = 'LWP::Authen::' . join '::', map { ucfirst } split /-/, $scheme;
        (my $file = "$class.pm") =~ s{::}{/}g;
        if (!$class->can('authenticate') && !do { local $SIG{__DIE__} = 'DEFAULT'; eval { require $file; 1 } }) {
            $response->header('Client-Warning' => "Unsupported authentication scheme '$scheme'");
            next;
        }
        my $again = $class->authenticate($self, $is_proxy, \%parameter, $response, $request, $arg, $size);
        # What one of them is no good for another may be.
        return $again if $again != $response;
    }
    return $response;
}

sub mirror {
    my ($self, $url, $file) = @_;
    Carp::croak('Local file name is missing') if !defined $file || !length $file;
    my $request = HTTP::Request->new('GET', $url);
    if (-e $file) {
        my $changed = (stat $file)[9];
        $request->header('If-Modified-Since' => HTTP::Date::time2str($changed)) if $changed;
    }
    require CPANBridge::File::Part;
    my $part = CPANBridge::File::Part->beside($file) or die "Cannot write '$file': $!\n";
    my $got = 0;
    my $response = $self->request($request, sub {
        $got += length $_[0];
        $part->write($_[0]) or die "Can't write to '$file': $!\n";
    });
    my ($length) = $response->header('Content-Length');
    undef $length if defined $length && $length !~ /\A[0-9]+\z/;
    if (defined(my $why = $response->header('X-Died'))) {
        die "Transfer truncated: only $got out of $length bytes received\n" if $why =~ /\Athe body is cut off/ && defined $length && $got < $length;
        die "$why\n";
    }
    if ($response->is_success) {
        die "Transfer truncated: only $got out of $length bytes received\n"   if defined $length && $got < $length;
        die "Content-length mismatch: expected $length bytes, got $got\n" if defined $length && $got > $length;
        $part->finish or die "Cannot write '$file': $!\n";
        if (my $changed = $response->last_modified) {
            utime $changed, $changed, $file or warn "Cannot update modification time of '$file': $!\n";
        }
    }
    return $response;
}

# --- Progress

# Meant to be overridden as well. $status: begin, tick, the part that is done (0 to 1), end.
sub progress {
    my ($self, $status, $message) = @_;
    return if !$self->{show_progress};
    require CPANBridge::Progress;
    if ($status eq 'begin') {
        my $label = $message->method . ' ' . $message->uri;
        $label = substr($label, 0, 37) . '...' if length $label > 40;
        $self->{progress_bar} = CPANBridge::Progress->new(label => $label);
    }
    elsif ($status eq 'end') {
        my $bar = delete $self->{progress_bar};
        $bar->finish($message->status_line) if $bar;
    }
    elsif (my $bar = $self->{progress_bar}) {
        my $total = $message->header('Content-Length');
        $bar->update($self->{progress_done} || 0, $total);
    }
    return;
}

1;
