package LWP::Protocol::loopback;

# Answers with the request itself, for tests.

use strict;
use warnings;

use HTTP::Response ();
use LWP::Protocol ();

our $VERSION = '6.68';
our @ISA = ('LWP::Protocol');

sub request {
    my ($self, $request, $proxy, $arg) = @_;
    my $response = HTTP::Response->new(200, 'OK');
    $response->content_type('message/http; msgtype=request');
    $response->header(Via => 'loopback/1.0 ' . (defined $proxy ? $proxy : '')) if defined $proxy;
    $response->request($request);
    return $self->collect_once($arg, $response, $request->as_string("\n"));
}

1;
