package LWP::Protocol::nogo;

# A scheme that a script does not want: every request is refused.

use strict;
use warnings;

use HTTP::Response ();
use LWP::Protocol ();

our $VERSION = '6.68';
our @ISA = ('LWP::Protocol');

sub request {
    my ($self, $request) = @_;
    my $scheme = $request->uri->scheme;
    return HTTP::Response->new(500, "Access to '$scheme' URIs has been disabled");
}

1;
