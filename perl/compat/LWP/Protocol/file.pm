package LWP::Protocol::file;

# file: URLs for LWP::UserAgent: files, and listings of directories.

use strict;
use warnings;

use CPANBridge::File ();
use HTTP::Date ();
use HTTP::Response ();
use LWP::MediaTypes ();
use LWP::Protocol ();
use LWP::Protocol::Collector ();

our $VERSION = '6.68';
our @ISA = ('LWP::Protocol');

sub request {
    my ($self, $request, $proxy, $arg, $size) = @_;
    return HTTP::Response->new(400, 'You can not proxy through the filesystem') if defined $proxy;
    my $ua = $self->{ua};
    my $method = $request->method;
    return HTTP::Response->new(400, "Library does not allow method $method for 'file:' URLs") if $method ne 'GET' && $method ne 'HEAD';
    my $path = $request->uri->file;
    return HTTP::Response->new(400, 'You can not ask for a file of another host') if !defined $path;
    return HTTP::Response->new(404, "File `$path' does not exist") if !-e $path;
    return HTTP::Response->new(403, "User does not have read permission") if !-r _;
    my ($length, $changed) = (stat _)[7, 9];
    my $is_directory = -d _;
    # A pipe that nobody writes to would hold the script up for ever, and a device need not have an end.
    return HTTP::Response->new(403, "`$path' is neither a file nor a directory") if !$is_directory && !-f _;
    my $since = $request->if_modified_since;
    return HTTP::Response->new(304, "$path is not modified") if defined $since && $since >= $changed;
    my $response = HTTP::Response->new(200);
    $response->header('Last-Modified' => HTTP::Date::time2str($changed));
    if ($is_directory) {
        opendir my $directory, $path or return HTTP::Response->new(500, "Cannot read directory '$path': $!");
        my @names = sort readdir $directory;
        closedir $directory;
        my $content = _listing($request->uri, $path, @names);
        $response->header('Content-Type' => 'text/html', 'Content-Length' => length $content);
        $response->request($request);
        return $method eq 'HEAD' ? $response : $self->collect_once($arg, $response, $content);
    }
    LWP::MediaTypes::guess_media_type($path, $response);
    $response->header('Content-Length' => $length);
    $response->header('Client-Date' => HTTP::Date::time2str(time));
    $response->request($request);
    return $response if $method eq 'HEAD';
    # What it was a moment ago need not be what it is.
    my ($in, $why) = CPANBridge::File::open_to_read($path);
    return HTTP::Response->new(500, "Cannot read file '$path': $why") if !$in;
    binmode $in;
    my $collector = LWP::Protocol::Collector->new($ua, $arg, $size);
    $collector->head($response);
    while (read $in, my $bytes, 65_536) {
        $collector->data($response, $bytes) or last;
    }
    return $collector->finish($response);
}

sub _listing {
    my ($uri, $path, @names) = @_;
    require LWP::Protocol::Listing;
    require URI::Escape;
    my $html = \&LWP::Protocol::Listing::html;
    my @rows = map {
        my $name = -d "$path/$_" ? "$_/" : $_;
        my $href = URI::Escape::uri_escape($name, '^A-Za-z0-9\-._~/');
        qq{<LI><A HREF="$href">} . $html->($name) . '</A>';
    } @names;
    return join "\n", '<HTML><HEAD>', '<TITLE>Directory ' . $html->($path) . '</TITLE>', '<BASE HREF="' . LWP::Protocol::Listing::base($uri) . '">', '</HEAD>', '<BODY>',
        '<H1>Directory listing of ' . $html->($path) . '</H1>', '<UL>', @rows, '</UL>', '</BODY></HTML>', '';
}

1;
