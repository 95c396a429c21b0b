package LWP::Protocol::ftp;

# ftp: URLs, by core Perl's Net::FTP: files, listings of directories, and PUT.

use strict;
use warnings;

use HTTP::Date ();
use HTTP::Response ();
use LWP::MediaTypes ();
use LWP::Protocol ();
use LWP::Protocol::Passive ();

our $VERSION = '6.68';
our @ISA = ('LWP::Protocol');

sub request {
    my ($self, $request, $proxy, $arg, $size, $timeout) = @_;
    return HTTP::Response->new(400, 'You can not proxy through the ftp') if defined $proxy;
    my $uri = $request->uri;
    my $method = $request->method;
    return HTTP::Response->new(400, "Library does not allow method $method for 'ftp:' URLs") if $method !~ /\A(?:GET|HEAD|PUT)\z/;
    # A command ends with its line.
    return HTTP::Response->new(400, 'A name with a line end or a NUL is no name for ftp')
        if grep { defined && /[\r\n\0]/ } $uri->user, $uri->password, $request->authorization_basic, map { "$_" } $uri->path_segments;
    my $ftp = LWP::Protocol::Passive->new($uri->host, Port => $uri->port, $timeout ? (Timeout => $timeout) : (), Passive => 1)
        or return HTTP::Response->new(500, "Can't connect to " . $uri->host_port . ": $@");
    my ($user, $password) = ($request->authorization_basic);
    ($user, $password) = ($uri->user, $uri->password) if !defined $user;
    if (!$ftp->login($user, $password)) {
        my $response = HTTP::Response->new(401, scalar $ftp->message);
        $response->header('WWW-Authenticate', qq(Basic Realm="FTP login"));
        return $response;
    }
    my $response = $self->_at($ftp, $request, $arg, $size || 65_536);
    $ftp->quit;
    return $response;
}

sub _at {
    my ($self, $ftp, $request, $arg, $size) = @_;
    my $uri = $request->uri;
    my @path = grep { length } $uri->path_segments;
    # Parameters of the last one say how it is transferred (RFC 1738, 3.2.2).
    my $name = @path ? pop @path : undef;
    my $type = '';
    if (ref $name) {
        my (undef, @parameters) = @$name;
        ($type) = ((map { /\Atype=([aid])\z/i ? lc $1 : () } @parameters), '');
        $name = "$name";
    }
    $ftp->cwd($_) or return HTTP::Response->new(404, "Can't chdir to $_") for map { "$_" } @path;
    $type eq 'a' ? $ftp->ascii : $ftp->binary;
    my $response = HTTP::Response->new(200, 'OK');
    $response->request($request);
    return $self->_put($ftp, $request, $response, $name) if $request->method eq 'PUT';
    if (defined $name && $type ne 'd') {
        if (my $changed = $ftp->mdtm($name)) {
            my $since = $request->if_modified_since;
            return HTTP::Response->new(304, 'Not Modified') if defined $since && $changed <= $since;
            $response->last_modified($changed);
        }
        if ($request->method eq 'HEAD') {
            my $length = $ftp->size($name);
            return $self->_listing($ftp, $request, $response, $arg, $name) if !defined $length;
            _describe($response, $name, $length);
            return $response;
        }
        if (my $data = $ftp->retr($name)) {
            my ($length) = $ftp->message =~ /\((\d+)\s+bytes\)/;
            _describe($response, $name, $length);
            my $done = $self->collect($arg, $response, sub {
                my $bytes = '';
                my $count = $data->read($bytes, $size);
                return defined $count && $count > 0 ? \$bytes : \'';
            });
            # Where the script wants no more, that is what the server is told; else it says whether it was all.
            return $done if $data->close || defined $done->header('Client-Aborted');
            return HTTP::Response->new(500, 'FTP close response: ' . _said($ftp));
        }
    }
    return $self->_listing($ftp, $request, $response, $arg, $name);
}

# What the server said last, in one line.
sub _said {
    my ($ftp) = @_;
    my $said = join ' ', $ftp->code, scalar $ftp->message;
    $said =~ tr/\r\n/ /s;
    $said =~ s/ \z//;
    return $said;
}

sub _describe {
    my ($response, $name, $length) = @_;
    $response->header('Content-Length' => $length) if defined $length;
    LWP::MediaTypes::guess_media_type($name, $response);
    return;
}

sub _listing {
    my ($self, $ftp, $request, $response, $arg, $name) = @_;
    if (defined $name && !$ftp->cwd($name)) {
        (my $why = $ftp->message) =~ s/\s+\z//;
        return HTTP::Response->new(404, "File '$name' not found" . (length $why ? ": $why" : ''));
    }
    my $variant = ($request->header('Accept') || '') =~ /text\/html|\*\/\*/ || !defined $request->header('Accept') ? 'html' : 'dir';
    my @lines = $ftp->dir;
    my $content;
    if ($variant eq 'html') {
        $response->header('Content-Type' => 'text/html');
        $content = _page($request->uri, map { m{\A(?:\S+\s+){8}(.*?)(?: -> .*)?\z} } @lines);
    }
    else {
        $response->header('Content-Type' => 'text/ftp-dir-listing');
        $content = join "\n", @lines, '';
    }
    $response->header('Content-Length' => length $content);
    return $response if $request->method eq 'HEAD';
    return $self->collect_once($arg, $response, $content);
}

sub _page {
    my ($uri, @names) = @_;
    require LWP::Protocol::Listing;
    require URI::Escape;
    my $html = \&LWP::Protocol::Listing::html;
    my @rows = map {
        my $href = URI::Escape::uri_escape($_, q(^A-Za-z0-9\-._~!$'()*+,/@));
        qq(<LI> <a href="$href">) . $html->($_) . '</a>';
    } @names;
    return join "\n", '<HEAD><TITLE>Directory listing of ' . $html->($uri->path) . '</TITLE>', '<BASE HREF="' . LWP::Protocol::Listing::base($uri) . '">',
        '</HEAD>', '<BODY>', '<UL>', join("\n", @rows), '</UL>', '</BODY>', '';
}

sub _put {
    my ($self, $ftp, $request, $response, $name) = @_;
    return HTTP::Response->new(400, 'A name is wanted') if !defined $name;
    my $data = $ftp->stor($name) or return HTTP::Response->new(500, _said($ftp));
    my $content = $request->content;
    my $count = 0;
    if (ref $content eq 'CODE') {
        while (1) {
            my $bytes = $content->();
            last if !defined $bytes || !length $bytes;
            $data->write($bytes, length $bytes) or last;
            $count += length $bytes;
        }
    }
    else {
        $data->write($content, length $content);
        $count = length $content;
    }
    $data->close or return HTTP::Response->new(500, 'FTP close response: ' . _said($ftp));
    $response->code(201);
    $response->message('Created');
    $response->header('Content-Type' => 'text/plain');
    $response->content("$count bytes stored as $name on " . $request->uri->host . "\n");
    return $response;
}

1;
