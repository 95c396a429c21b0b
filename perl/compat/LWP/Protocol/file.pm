package LWP::Protocol::file;

# file: URLs for LWP::UserAgent: files, no directories.

use strict;
use warnings;

use HTTP::Date ();
use HTTP::Response ();
use LWP::MediaTypes ();
use LWP::Protocol::Collector ();

our $VERSION = '6.68';

sub request {
    my ($class, $ua, $request, $proxy, $arg, $size) = @_;
    my $method = $request->method;
    return HTTP::Response->new(400, "Library does not allow method $method for 'file:' URLs") if $method ne 'GET' && $method ne 'HEAD';
    my $path = $request->uri->file;
    return HTTP::Response->new(400, 'You can not ask for a file of another host') if !defined $path;
    return HTTP::Response->new(404, "File `$path' does not exist") if !-e $path;
    return HTTP::Response->new(501, "`$path' is a directory, which is not listed") if -d _;
    return HTTP::Response->new(403, "User does not have read permission") if !-r _;
    my ($length, $changed) = (stat _)[7, 9];
    my $since = $request->if_modified_since;
    return HTTP::Response->new(304, "$path is not modified") if defined $since && $since >= $changed;
    my $response = HTTP::Response->new(200);
    $response->header('Last-Modified' => HTTP::Date::time2str($changed));
    LWP::MediaTypes::guess_media_type($path, $response);
    $response->header('Content-Length' => $length);
    $response->header('Client-Date' => HTTP::Date::time2str(time));
    $response->request($request);
    return $response if $method eq 'HEAD';
    open my $in, '<', $path or return HTTP::Response->new(500, "Cannot read file '$path': $!");
    binmode $in;
    my $collector = LWP::Protocol::Collector->new($ua, $arg, $size);
    $collector->head($response);
    while (read $in, my $bytes, 65_536) {
        $collector->data($response, $bytes) or last;
    }
    return $collector->finish($response);
}

1;
