package TestWeb;

# A web server of a test's own, in core Perl: answers by the path, and tells what it was asked.

use strict;
use warnings;

use IO::Socket::INET ();
use JSON::PP ();
use POSIX ();

sub start {
    my ($class, %more) = @_;
    my $listener = IO::Socket::INET->new(Listen => 50, LocalAddr => '127.0.0.1', LocalPort => 0, Proto => 'tcp') or die "no server: $!";
    my $self = bless { port => $listener->sockport, owner => $$ }, $class;
    my $pid = fork;
    die "fork: $!" if !defined $pid;
    if (!$pid) {
        $SIG{CHLD} = 'IGNORE';
        while (1) {
            my $client = $listener->accept or next;
            next if fork;
            close $listener;
            eval { _serve($client, \%more) };
            POSIX::_exit(0);
        }
    }
    $self->{pid} = $pid;
    return $self;
}

sub url { my ($self, $path) = @_; return "http://127.0.0.1:$self->{port}" . (defined $path ? $path : '/') }
sub port { return $_[0]->{port} }

sub DESTROY {
    my ($self) = @_;
    return if $self->{owner} != $$;
    local ($?, $!, $@);
    kill 'KILL', $self->{pid};
    waitpid $self->{pid}, 0;
    return;
}

sub _serve {
    my ($client, $more) = @_;
    binmode $client;
    local $/ = "\015\012";
    while (defined(my $line = readline $client)) {
        my ($method, $target) = split ' ', $line;
        my (%headers, @headers);
        while (defined(my $field = readline $client)) {
            $field =~ s/\015\012\z//;
            last if !length $field;
            my ($name, $value) = split /:\s*/, $field, 2;
            push @headers, [$name, $value];
            $headers{ lc $name } = defined $headers{ lc $name } ? "$headers{ lc $name }, $value" : $value;
        }
        my $body = '';
        if (($headers{'transfer-encoding'} || '') =~ /chunked/i) {
            while (1) {
                my $length = hex((readline $client) =~ /\A([0-9a-f]+)/i ? $1 : 0);
                read $client, my $piece, $length if $length;
                $body .= $piece if $length;
                readline $client;
                last if !$length;
            }
        }
        elsif ($headers{'content-length'}) {
            read $client, $body, $headers{'content-length'};
        }
        my $request = { method => $method, target => $target, headers => \%headers, spelt => \@headers, body => $body };
        _answer($client, $request, $more) or return;
    }
    return;
}

sub _write {
    my ($client, @bytes) = @_;
    local ($\, $,);
    print {$client} @bytes;
    $client->flush;
    return 1;
}

sub reply {
    my ($client, $request, $status, $headers, $body) = @_;
    my $head = "HTTP/1.1 $status\015\012";
    my @headers = @{ $headers || [] };
    $head .= "$1: $2\015\012" while @headers and "$headers[0]\0$headers[1]" =~ /\A(.*?)\0(.*)\z/s and splice @headers, 0, 2;
    $body = '' if !defined $body;
    $head .= 'Content-Length: ' . length($body) . "\015\012" if $status !~ /\A(?:204|304|1)/ && $head !~ /^(?:Content-Length|Transfer-Encoding):/mi;
    return _write($client, "$head\015\012", $request->{method} eq 'HEAD' ? '' : $body);
}

my $TEXT = ['Content-Type' => 'text/plain'];

sub _answer {
    my ($client, $request, $more) = @_;
    my ($path, $query) = split /\?/, $request->{target}, 2;
    my $headers = $request->{headers};
    if ($path =~ m{\Ahttp://}) {
        return reply($client, $request, '200 OK', $TEXT, "proxied $path " . ($headers->{'proxy-authorization'} || 'unknown'));
    }
    if ($path eq '/echo') {
        return reply($client, $request, '200 OK', ['Content-Type' => 'application/json'], JSON::PP->new->canonical->ascii->encode($request));
    }
    return reply($client, $request, "$1 As asked", $TEXT, "status $1") if $path =~ m{\A/status/(\d+)\z};
    return reply($client, $request, "$1 Go on", [Location => $2], 'elsewhere') if $path =~ m{\A/redirect/(\d+)(/.*)\z};
    return reply($client, $request, '302 Go on', [Location => $query], 'elsewhere') if $path eq '/to';
    return reply($client, $request, '302 Again', [Location => '/loop'], '') if $path eq '/loop';
    if ($path eq '/basic') {
        return reply($client, $request, '401 Who', ['WWW-Authenticate' => 'Basic realm="here"'], 'no')
            if ($headers->{authorization} || '') ne 'Basic bWU6aHVzaA==';
        return reply($client, $request, '200 OK', $TEXT, 'welcome');
    }
    if ($path eq '/digest') {
        require Digest::MD5;
        my %given = ($headers->{authorization} || '') =~ /(\w+)="?([^",]*)"?/g;
        my $who = Digest::MD5::md5_hex('me:there:hush');
        my $what = Digest::MD5::md5_hex("$request->{method}:/digest");
        my $right = Digest::MD5::md5_hex(join ':', $who, 'nnn', $given{nc} || '', $given{cnonce} || '', 'auth', $what);
        return reply($client, $request, '401 Who', ['WWW-Authenticate' => 'Digest realm="there", nonce="nnn", qop="auth", opaque="ooo"'], 'no')
            if ($given{response} || '') ne $right;
        return reply($client, $request, '200 OK', $TEXT, 'welcome');
    }
    return reply($client, $request, '200 OK', [@$TEXT, 'Set-Cookie' => 'a=1; path=/', 'Set-Cookie' => 'b=2; path=/cookies'], 'set') if $path eq '/set';
    return reply($client, $request, '200 OK', $TEXT, $headers->{cookie} || 'none') if $path eq '/cookies';
    if ($path eq '/page') {
        my $html = "<html><head><title> A  &auml; page </title><base href='http://base.example/'><meta name='author' content='me'>"
            . "<meta http-equiv='Refresh' content='5'><link rel='next' href='n.html'></head><body><title>no</title></body></html>";
        return reply($client, $request, '200 OK', ['Content-Type' => 'text/html; charset=ISO-8859-1'], $html);
    }
    if ($path eq '/gzip') {
        require IO::Compress::Gzip;
        my $text = 'compressed ' x 100;
        IO::Compress::Gzip::gzip(\$text, \my $packed);
        return reply($client, $request, '200 OK', $TEXT, $text) if ($headers->{'accept-encoding'} || '') !~ /gzip/;
        return reply($client, $request, '200 OK', [@$TEXT, 'Content-Encoding' => 'gzip'], $packed);
    }
    return reply($client, $request, '200 OK', $TEXT, 'x' x $1) if $path =~ m{\A/bytes/(\d+)\z};
    if ($path eq '/file') {
        my $date = 'Sun, 06 Nov 1994 08:49:37 GMT';
        return reply($client, $request, '304 Not Modified', []) if ($headers->{'if-modified-since'} || '') eq $date;
        return reply($client, $request, '200 OK', [@$TEXT, 'Last-Modified' => $date], 'the file');
    }
    if ($path eq '/chunked') {
        _write($client, "HTTP/1.1 200 OK\015\012Content-Type: text/plain\015\012Transfer-Encoding: chunked\015\012\015\012");
        for my $piece (qw(one two three)) {
            _write($client, sprintf "%x\015\012%s\015\012", length $piece, $piece);
            select undef, undef, undef, 0.02;
        }
        return _write($client, "0\015\012\015\012");
    }
    if ($path eq '/cut') {
        _write($client, "HTTP/1.1 200 OK\015\012Content-Type: text/plain\015\012Transfer-Encoding: chunked\015\012\015\0124\015\012half\015\0125\015\012no");
        return 0;
    }
    if ($path eq '/slow') {
        _write($client, "HTTP/1.1 200 OK\015\012Content-Type: text/plain\015\012Content-Length: 10\015\012\015\012half") if defined $query;
        readline $client;
        return 0;
    }
    return reply($client, $request, '200 OK', ['X-Many' => 'one', 'x-many' => 'two', 'Content-Type' => 'text/plain; charset=utf-8'], "\xc3\xa4") if $path eq '/many';
    return $more->{$path}->($client, $request) if $more->{$path};
    return reply($client, $request, '404 Not Found', $TEXT, 'nothing here');
}

1;
