package LWP::Protocol::gopher;

# gopher: URLs (RFC 1436).

use strict;
use warnings;

use HTTP::Response ();
use LWP::Protocol ();
use LWP::Protocol::Stream ();
use URI::Escape ();

our $VERSION = '6.68';
our @ISA = ('LWP::Protocol');

use constant MENU_LIMIT => 4_194_304;

my %TYPE = (0 => 'text/plain', 1 => 'text/html', 4 => 'application/mac-binhex40', 5 => 'application/zip', 6 => 'application/octet-stream',
    7 => 'text/html', 9 => 'application/octet-stream', g => 'image/gif', h => 'text/html', I => 'image/jpeg', s => 'audio/basic');

sub request {
    my ($self, $request, $proxy, $arg, $size, $timeout) = @_;
    return HTTP::Response->new(400, 'You can not proxy through the gopher') if defined $proxy;
    my $uri = $request->uri;
    my $method = $request->method;
    return HTTP::Response->new(400, "Library does not allow method $method for 'gopher:' URLs") if $method ne 'GET' && $method ne 'HEAD';
    my $type = $uri->gopher_type;
    return HTTP::Response->new(501, "Library does not support gophertype '$type'") if !$TYPE{$type};
    my $response = HTTP::Response->new(200, 'OK');
    $response->header('Content-Type' => $TYPE{$type}, Server => 'Gopher');
    $response->request($request);
    return $response if $method eq 'HEAD';
    my $stream = LWP::Protocol::Stream->new($uri->host, $uri->port, $timeout);
    my $what = join "\t", map { my $part = defined $_ ? $_ : ''; $part =~ s/[\r\n\0]//g; $part } $uri->selector, defined $uri->search ? $uri->search : ();
    $stream->send_all("$what\r\n");
    if ($type eq '1' || $type eq '7') {
        my $menu = '';
        while (length(my $bytes = $stream->read_some)) {
            $menu .= $bytes;
            die "the menu is longer than ${\MENU_LIMIT} bytes\n" if length $menu > MENU_LIMIT;
        }
        return $self->collect_once($arg, $response, _menu($menu));
    }
    return $self->collect($arg, $response, sub { return \$stream->read_some });
}

# A menu as a page.
sub _menu {
    my ($text) = @_;
    my @rows;
    for my $line (split /\r?\n/, $text) {
        last if $line eq '.';
        my ($name, $selector, $host, $port) = map { my $part = $_; $part =~ s/&/&amp;/g; $part =~ s/</&lt;/g; $part =~ s/"/&quot;/g; $part } split /\t/, $line;
        next if !defined $port || $name !~ s/\A(.)//;
        my $type = $1;
        my $path = URI::Escape::uri_escape($selector, q(^A-Za-z0-9\-._~!$'()*+,;=:@/));
        push @rows, $type eq 'i' ? "<LI> $name" : qq(<LI> <A HREF="gopher://$host:$port/$type$path">$name</A>);
    }
    return "<HEAD>\n<TITLE>Gopher menu</TITLE>\n</HEAD>\n<BODY>\n<UL>\n" . join("\n", @rows) . "\n</UL>\n</BODY>\n";
}

1;
