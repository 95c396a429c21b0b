package LWP::Protocol::data;

# data: URLs (RFC 2397).

use strict;
use warnings;

use HTTP::Date ();
use HTTP::Response ();
use LWP::Protocol ();

our $VERSION = '6.68';
our @ISA = ('LWP::Protocol');

sub request {
    my ($self, $request, $proxy, $arg) = @_;
    return HTTP::Response->new(400, 'You can not proxy with data') if defined $proxy;
    my $method = $request->method;
    return HTTP::Response->new(400, "Library does not allow method $method for 'data:' URLs") if $method ne 'GET' && $method ne 'HEAD';
    my $uri = $request->uri;
    my $data = $uri->data;
    my $response = HTTP::Response->new(200, 'Document follows');
    $response->header('Content-Type' => $uri->media_type, 'Content-Length' => length $data, 'Last-Modified' => HTTP::Date::time2str(time),
        Server => "libwww-perl-internal/$VERSION");
    $response->request($request);
    return $response if $method eq 'HEAD';
    return $self->collect_once($arg, $response, $data);
}

1;
