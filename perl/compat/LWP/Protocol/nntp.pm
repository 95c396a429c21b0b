package LWP::Protocol::nntp;

# news: and nntp: URLs of articles and groups, by core Perl's Net::NNTP.

use strict;
use warnings;

use HTTP::Message ();
use HTTP::Response ();
use LWP::Protocol ();
use Net::NNTP ();

our $VERSION = '6.68';
our @ISA = ('LWP::Protocol');

sub request {
    my ($self, $request, $proxy, $arg, $size, $timeout) = @_;
    return HTTP::Response->new(400, 'You can not proxy through NNTP') if defined $proxy;
    my $method = $request->method;
    return HTTP::Response->new(400, "Library does not allow method $method for '" . $request->uri->scheme . ":' URLs") if $method !~ /\A(?:GET|HEAD|POST)\z/;
    my $uri = $request->uri;
    # A command ends with its line.
    return HTTP::Response->new(400, 'A name with a line end or a NUL is no name for NNTP') if grep { defined && /[\r\n\0]/ } $uri->message, $uri->group;
    my $host = $uri->host || $ENV{NNTPSERVER} || 'news';
    my $nntp = Net::NNTP->new($host, Port => $uri->_port || 'nntp', $timeout ? (Timeout => $timeout) : ())
        or return HTTP::Response->new(500, "Can't connect to $host");
    my $response = HTTP::Response->new(200, 'OK');
    $response->request($request);
    $response = $method eq 'POST' ? _post($nntp, $request, $response) : $self->_get($nntp, $request, $response, $arg);
    $nntp->quit;
    return $response;
}

sub _post {
    my ($nntp, $request, $response) = @_;
    $nntp->post([map { "$_\n" } split /\n/, $request->headers_as_string . "\n" . $request->content, -1])
        or return HTTP::Response->new(403, scalar $nntp->message);
    $response->header('Content-Type' => 'text/plain');
    $response->content('Posted');
    return $response;
}

sub _get {
    my ($self, $nntp, $request, $response, $arg) = @_;
    my $uri = $request->uri;
    if (defined(my $message = $uri->message)) {
        my $lines = $request->method eq 'HEAD' ? $nntp->head("<$message>") : $nntp->article("<$message>");
        return HTTP::Response->new(404, scalar $nntp->message) if !$lines;
        my $article = HTTP::Message->parse(join '', @$lines);
        $response->header($_ => [$article->header($_)]) for $article->header_field_names;
        $response->header('Content-Type' => 'text/plain') if !defined $response->header('Content-Type');
        return $response if $request->method eq 'HEAD';
        return $self->collect_once($arg, $response, $article->content);
    }
    my ($group, $from, $to) = $uri->group;
    return HTTP::Response->new(404, scalar $nntp->message) if !$nntp->group($group);
    $response->header('Content-Type' => 'text/plain');
    return $response if $request->method eq 'HEAD';
    my $over = $nntp->xover(defined $from ? [$from, defined $to ? $to : $from] : '1-');
    my $content = join '', map { join("\t", $_, @{ $over->{$_} }) . "\n" } sort { $a <=> $b } keys %{ $over || {} };
    return $self->collect_once($arg, $response, $content);
}

1;
