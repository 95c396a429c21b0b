package LWP::Protocol::Forwarded;

# Requests of other schemes that a proxy of HTTP is to do (RFC 9112 3.2.2, absolute form): ftp: above all.

use strict;
use warnings;

use HTTP::Response ();
use LWP::Protocol ();
use LWP::Protocol::Stream ();
use URI ();

our $VERSION = '6.68';
our @ISA = ('LWP::Protocol');

use constant LINE_LIMIT => 65_536;
use constant HEAD_LINES => 1_000;

# $headers: values, or lists of them, by name. $response_of makes a response of what a reply's head says.
sub forward {
    my ($self, $request, $proxy, $arg, $timeout, $url, $headers, $body, $response_of) = @_;
    my $by = URI->new($proxy);
    return HTTP::Response->new(501, $request->uri->scheme . ": URLs go through proxies of http: only, and $1: is another")
        if $proxy =~ /\A([^:\/]*):/ && lc $1 ne 'http';
    my $stream = LWP::Protocol::Stream->new($by->host, $by->port, $timeout);
    $stream->send_all(_bytes($request, $by, $url, $headers, $body));
    my $response = $response_of->({ %{ _head($stream) }, connection => { answers => 1, peer => $stream->peer } });
    return $response if $request->method eq 'HEAD' || $response->code =~ /\A(?:204|304)\z/;
    die "the proxy's answer is in a transfer coding, which was not asked for\n" if defined $response->header('Client-Transfer-Encoding');
    my $left = $response->header('Content-Length');
    die "the proxy's answer has a length that is none\n" if defined $left && $left !~ /\A[0-9]{1,15}\z/;
    return $self->collect($arg, $response, sub {
        return \'' if defined $left && !$left;
        my $bytes = $stream->read_some;
        return \$bytes if !defined $left;
        die "EOF before the body's end\n" if !length $bytes;
        $bytes = substr $bytes, 0, $left if length $bytes > $left;
        $left -= length $bytes;
        return \$bytes;
    });
}

sub _bytes {
    my ($request, $by, $url, $headers, $body) = @_;
    my $content = !ref $body ? $body : do { my $whole = ''; while (defined(my $piece = $body->())) { last if !length $piece; $whole .= $piece } $whole };
    my %headers = (%$headers, Connection => 'close');
    my $uri = $request->uri;
    # Of an address of mail the part before the @ is nobody who asks.
    my $authority = $uri =~ m{\A[^:/?#]+://} && $uri->can('authority') ? $uri->authority : undef;
    my ($user, $host) = defined $authority ? $authority =~ /\A(?:([^@]*)@)?(.*)\z/s : ();
    # Where a URL names no host, this says so (RFC 9112 3.2).
    $host = '' if !defined $host;
    my %implied = (Host => $host, _basic(Authorization => $user), _basic('Proxy-Authorization' => $by->userinfo));
    for my $name (keys %implied) {
        $headers{$name} = $implied{$name} if !grep { lc eq lc $name } keys %headers;
    }
    $headers{'Content-Length'} = length $content if defined $content;
    my $bytes = join '', _one_line($request->method) . " $url HTTP/1.0\r\n", map {
        my $name = $_;
        my $values = $headers{$name};
        map { _one_line($name) . ': ' . _one_line($_) . "\r\n" } ref $values ? @$values : $values;
    } sort keys %headers;
    $bytes .= "\r\n" . (defined $content ? $content : '');
    die "a request is bytes, and this one has wide characters\n" if !utf8::downgrade($bytes, 1);
    return $bytes;
}

# A header for a user and a password of a URL, if it has them.
sub _basic {
    my ($name, $user) = @_;
    return () if !defined $user;
    require MIME::Base64;
    require URI::Escape;
    return ($name => 'Basic ' . MIME::Base64::encode_base64(URI::Escape::uri_unescape($user), ''));
}

sub _one_line {
    my ($text) = @_;
    die "a line end or a NUL in a request's head\n" if $text =~ /[\r\n\0]/;
    return $text;
}

sub _head {
    my ($stream) = @_;
    my ($status, $reason, @headers);
    for (0 .. HEAD_LINES) {
        my $line = $stream->read_line(LINE_LIMIT);
        die "EOF within the head\n" if !defined $line;
        if (!defined $status) {
            ($status, $reason) = $line =~ m{\AHTTP/\d+\.\d+\s+([1-9][0-9]{2})(?:\s+(.*))?\z}s or die "the proxy does not speak HTTP\n";
        }
        elsif (!length $line) {
            return { status => $status, reason => defined $reason ? $reason : '', headers => \@headers } if $status >= 200;
            # What came first was a word on the way.
            ($status, @headers) = ();
        }
        elsif ($line =~ /\A[ \t]++(.*)/s) { $headers[-1] .= " $1" if @headers }
        elsif ($line =~ /\A([^\s:]++):[ \t]*+(.*)/s) { push @headers, $1, $2 }
        else { die "the proxy's answer has a line in its head that is no header\n" }
    }
    die "the proxy's answer has more than ${\HEAD_LINES} lines in its head\n";
}

1;
