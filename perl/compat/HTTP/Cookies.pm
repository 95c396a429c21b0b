package HTTP::Cookies;

# A stand-in for HTTP::Cookies 6.x, written from the original's documentation; the file format is the original's.

use strict;
use warnings;

use Carp ();
use HTTP::Date ();
use HTTP::Headers::Util ();

our $VERSION = '6.10';
our $EPOCH_OFFSET = 0;

# How a cookie is kept: $self->{COOKIES}{domain}{path}{key}.
use constant { VERSION => 0, VALUE => 1, PORT => 2, PATH_SPEC => 3, SECURE => 4, EXPIRES => 5, DISCARD => 6, REST => 7 };

my $FILE_HEADER = "#LWP-Cookies-1.0\n";

sub new {
    my ($class, %options) = @_;
    my $self = bless { COOKIES => {} }, $class;
    my %known = (file => 1, autosave => 1, ignore_discard => 1, hide_cookie2 => 1, delayload => 1);
    $self->{$_} = delete $options{$_} for grep { exists $options{$_} } keys %known;
    Carp::carp('Unrecognized options: ' . join ' ', sort keys %options) if %options && $^W;
    $self->load if defined $self->{file} && length $self->{file} && !$self->{delayload};
    return $self;
}

# A name without a dot is one of the local network's.
sub _host {
    my ($request, $url) = @_;
    my $host = $request->header('Host');
    $host ? $host =~ s/:\d+\z// : ($host = $url->host);
    $host .= '.local' if $host !~ /\./ && $host !~ /\A\[/;
    return lc $host;
}

sub _path {
    my ($url) = @_;
    my $path = $url->path;
    $path = '/' if !defined $path || !length $path;
    return $path;
}

sub _normal_path {
    my ($path) = @_;
    my $normal = $path;
    $normal =~ s{%([0-9a-fA-F]{2})}{my $hex = uc $1; $hex eq '2F' || $hex eq '25' ? "%$hex" : pack 'C', hex $hex}ge;
    $normal =~ s/([\0-\x20\x7f-\xff])/sprintf '%%%02X', ord $1/ge;
    return $normal;
}

sub add_cookie_header {
    my ($self, $request) = @_ or return;
    return if !$request;
    my $url = $request->uri;
    return if !$url->can('host') || ($url->scheme || '') !~ /\Ahttps?\z/;
    $self->load if delete $self->{delayload};
    my $domain = _host($request, $url);
    # No name of a host is longer (RFC 1035, 2.3.4).
    return $request if defined $domain && length $domain > 255;
    my $is_secure = $url->scheme eq 'https';
    my $path = _path($url);
    my $port = $url->port;
    my $now = time;
    my @cookies;
    my $exact = 1;
    # Its own name first, then what is above it.
    while (defined $domain && $domain =~ /\./) {
        my $paths = $self->{COOKIES}{$domain};
        for my $cookie_path (sort { length $b <=> length $a || $a cmp $b } keys %{ $paths || {} }) {
            next if !_path_matches($path, $cookie_path);
            for my $key (sort keys %{ $paths->{$cookie_path} }) {
                my $cookie = $paths->{$cookie_path}{$key};
                next if $cookie->[SECURE] && !$is_secure;
                next if $cookie->[EXPIRES] && $cookie->[EXPIRES] < $now;
                next if defined $cookie->[PORT] && !grep { $_ eq $port } $cookie->[PORT] =~ /(\d+)/g;
                next if $cookie->[VERSION] > 0 && $self->{netscape_only};
                my $value = $cookie->[VALUE];
                if (!@cookies && $cookie->[VERSION] > 0) {
                    push @cookies, "\$Version=$cookie->[VERSION]";
                }
                elsif (!@cookies && !$self->{hide_cookie2}) {
                    $request->header(Cookie2 => '$Version="1"');
                }
                if ($cookie->[VERSION] > 0 && $value =~ /\W/) {
                    $value =~ s/([\\"])/\\$1/g;
                    $value = qq("$value");
                }
                # A cookie without a name is its value.
                push @cookies, length $key ? "$key=$value" : $value;
                if ($cookie->[VERSION] > 0) {
                    push @cookies, qq(\$Path="$cookie_path") if $cookie->[PATH_SPEC];
                    push @cookies, qq(\$Domain="$domain") if $domain =~ /\A\./ || !$exact;
                    push @cookies, '$Port' . ($cookie->[PORT] !~ /\A_/ ? qq(="$cookie->[PORT]") : '') if defined $cookie->[PORT];
                }
            }
        }
        # .www.acme.com, .acme.com and acme.com
        if ($exact) {
            $exact = 0;
            $domain = ".$domain";
        }
        elsif ($domain =~ s/\A\.//) {
            $domain = _above($domain) if $domain eq _host($request, $url);
        }
        else {
            $domain = _above($domain);
        }
    }
    return $request if !@cookies;
    if (my $given = $request->header('Cookie')) {
        unshift @cookies, $given;
    }
    $request->header(Cookie => join '; ', @cookies);
    return $request;
}

# The domain above: .b.c of a.b.c.
sub _above {
    my ($domain) = @_;
    return $domain =~ /\A[^.]+(\..*\..*|\.local)\z/ ? $1 : undef;
}

sub _path_matches {
    my ($path, $cookie_path) = @_;
    return _is_below($path, $cookie_path) || _is_below(_normal_path($path), $cookie_path);
}

sub _is_below {
    my ($path, $top) = @_;
    return index($path, $top) == 0
        && (length $path == length $top || $top =~ m{/\z} || substr($path, length $top, 1) eq '/');
}

sub get_cookies {
    my ($self, $url, @names) = @_;
    require HTTP::Request;
    $url = "https://$url" if !ref $url && $url !~ m{\A[a-zA-Z][\w.+\-]*:};
    my $request = HTTP::Request->new(GET => $url);
    $self->add_cookie_header($request);
    my $header = $request->header('Cookie');
    my %cookies;
    for my $pair (split /;\s*/, defined $header ? $header : '') {
        my ($name, $value) = split /=/, $pair, 2;
        next if $name =~ /\A\$/;
        $value =~ s/\A"(.*)"\z/$1/ if defined $value;
        $cookies{$name} = $value;
    }
    return @cookies{@names} if @names > 1;
    return $cookies{ $names[0] } if @names;
    return \%cookies;
}

sub extract_cookies {
    my ($self, $response) = @_;
    return if !$response;
    my @set2 = HTTP::Headers::Util::_split_header_words($response->header('Set-Cookie2'));
    my @netscape = $response->header('Set-Cookie');
    return $response if !@set2 && !@netscape;
    my $request = $response->request;
    my $url = $request->uri;
    return $response if !$url->can('host');
    my $host = _host($request, $url);
    my $path = _path($url);
    my $port = $url->port;
    if (!$self->{hide_netscape}) {
        my $now = time;
        # Servers that know both headers send both.
        my %is_known = map { $_->[0] => 1 } @set2;
        for my $text (@netscape) {
            my @words = _netscape_words($text, $now) or next;
            push @set2, \@words if !$is_known{ $words[0] };
        }
    }
    for my $words (@set2) {
        next if @$words < 2;
        $self->_take($words, $host, $path, $port);
    }
    return $response;
}

# What browsers and servers write, in the form of the standard that nobody writes.
sub _netscape_words {
    my ($text, $now) = @_;
    my @words;
    my ($expires, $is_first) = (undef, 1);
    for my $part (_parts($text)) {
        my ($name, $value) = split /\s*=\s*/, $part, 2;
        $name =~ s/\s+\z//;
        if (defined $value) {
            $value =~ s/\s+\z//;
            $value =~ s/\\(.)/$1/g if $value =~ s/\A"(.*)"\z/$1/;
        }
        elsif ($is_first) {
            $value = '';
        }
        if (!$is_first && lc $name eq 'expires') {
            my $time = HTTP::Date::str2time($value);
            # Before there was a time to count from is past as well.
            my ($year) = defined $time ? () : HTTP::Date::parse_date($value);
            $time = 0 if defined $year && $year < 1970;
            if (defined $time) {
                push @words, 'Max-Age' => $time - $now;
                $expires = 1;
            }
        }
        elsif (!$is_first && lc $name eq 'max-age') {
            # As the original has it: such a cookie stays, and for how long it does not say; one that is over goes.
            push @words, $name => $value if $value !~ /\A[1-9][0-9]*\z/;
            $expires = 1;
        }
        elsif (!$is_first && lc $name eq 'secure') {
            push @words, secure => 1;
        }
        elsif (!$is_first && $name =~ /\Aversion\z/i) {
            next;
        }
        else {
            push @words, $name => $value;
        }
        $is_first = 0;
    }
    return if !@words;
    push @words, Discard => undef if !$expires;
    return (@words, _netscape => 1);
}

# What stands between semicolons; quotes may hold what else would end a value.
sub _parts {
    my ($text) = @_;
    no warnings 'regexp';    # of one that is longer than anybody means
    return grep { /\S/ } $text =~ /\G\s*+((?:"(?:[^"\\]++|\\.)*+"|[^;"]++|")*+)(?:;|\z)/g;
}

# The same without the quotes.
sub _split_text {
    my ($text) = @_;
    return [map { my $part = $_; $part =~ s/"((?:[^"\\]|\\.)*)"/my $inner = $1; $inner =~ s{\\(.)}{$1}gs; $inner/ges; $part } _parts($text)];
}

sub _take {
    my ($self, $words, $host, $request_path, $request_port) = @_;
    my ($key, $value, @attributes) = @$words;
    my (%known, %rest);
    my $is_netscape = 0;
    while (@attributes) {
        my ($name, $content) = splice @attributes, 0, 2;
        my $lower = lc $name;
        if ($lower eq '_netscape') {
            $is_netscape = 1;
        }
        elsif ($lower =~ /\A(?:discard|domain|max-age|path|port|secure|version)\z/) {
            next if exists $known{$lower};
            $content = 1 if !defined $content && ($lower eq 'discard' || $lower eq 'secure');
            $known{$lower} = $content;
        }
        else {
            $rest{$name} = $content;
        }
    }
    my ($domain, $path, $path_is_given) = ($known{domain}, $known{path}, 0);
    if (defined $path && length $path && $path =~ m{\A/}) {
        $path_is_given = 1;
        $path = _normal_path($path);
        return if !$is_netscape && index($request_path, $path) != 0 && index(_normal_path($request_path), $path) != 0;
    }
    else {
        # Up to the last slash.
        ($path = _normal_path($request_path)) =~ s{/[^/]*\z}{};
        $path = '/' if !length $path;
    }
    if (defined $domain && length $domain && $domain =~ /\./ || defined $domain && $domain =~ /\A\.?local(?:host)?\z/i) {
        $domain = lc $domain;
        if ($domain ne $host) {
            # There is nothing above an address.
            return if $domain =~ /\A\.?\d+(?:\.\d+)*\z/ || $host =~ /\A\d+(?:\.\d+){3}\z/;
            $domain = ".$domain" if $domain !~ /\A\./;
            # A name of one part is all the world's: .com
            return if $domain !~ /\A\..*\../ && $domain ne '.local';
            return if ".$host" ne $domain && substr($host, -length $domain) ne $domain;
            my $front = substr $host, 0, length($host) - length $domain;
            return if !$is_netscape && $front =~ /\./;
        }
    }
    else {
        return if defined $domain && length $domain && lc $domain ne $host;
        $domain = $host;
    }
    my $port = $known{port};
    if (exists $known{port}) {
        if (defined $port && length $port) {
            return if !grep { $_ eq $request_port } split /\s*,\s*/, $port;
        }
        else {
            # That of the server that sent it.
            $port = "_$request_port";
        }
    }
    my $version = $is_netscape ? 0 : defined $known{version} ? $known{version} : 1;
    $self->set_cookie($version, $key, $value, $path, $domain, $port, $path_is_given, $known{secure}, $known{'max-age'}, $known{discard}, \%rest);
    return;
}

sub set_cookie {
    my ($self, $version, $key, $value, $path, $domain, $port, $path_spec, $secure, $max_age, $discard, $rest) = @_;
    return $self if !defined $path || $path !~ m{\A/} || defined $key && $key =~ /\A\$/;
    return $self if defined $port && $port !~ /\A_?\d+(?:\s*,\s*\d+)*\z/;
    my $expires;
    if (defined $max_age) {
        if ($max_age <= 0) {
            delete $self->{COOKIES}{$domain}{$path}{$key};
            return $self;
        }
        $expires = time + $max_age;
    }
    $version = 0 if !defined $version;
    my @cookie = ($version, $value, $port, $path_spec, $secure, $expires, $discard);
    push @cookie, {%$rest} if defined $rest && %$rest;
    pop @cookie while !defined $cookie[-1];
    $self->{COOKIES}{$domain}{$path}{$key} = \@cookie;
    return $self;
}

sub clear {
    my ($self, @where) = @_;
    if (!@where) {
        $self->{COOKIES} = {};
    }
    elsif (@where == 1) {
        delete $self->{COOKIES}{ $where[0] };
    }
    elsif (@where == 2) {
        delete $self->{COOKIES}{ $where[0] }{ $where[1] };
    }
    elsif (@where == 3) {
        delete $self->{COOKIES}{ $where[0] }{ $where[1] }{ $where[2] };
    }
    else {
        Carp::carp('Usage: $c->clear([domain [,path [,key]]])');
    }
    return $self;
}

sub clear_temporary_cookies {
    my ($self) = @_;
    $self->scan(sub { $self->clear(@_[4, 3, 1]) if $_[9] || !$_[8] });
    return $self;
}

sub scan {
    my ($self, $code) = @_;
    for my $domain (sort keys %{ $self->{COOKIES} }) {
        for my $path (sort keys %{ $self->{COOKIES}{$domain} }) {
            for my $key (sort keys %{ $self->{COOKIES}{$domain}{$path} }) {
                my $cookie = $self->{COOKIES}{$domain}{$path}{$key};
                my ($version, $value, $port, $path_spec, $secure, $expires, $discard, $rest) = @$cookie;
                $code->($version, $key, $value, $path, $domain, $port, $path_spec, $secure, $expires, $discard, $rest || {});
            }
        }
    }
    return;
}

sub as_string {
    my ($self, $skip_discard) = @_;
    my @lines;
    $self->scan(sub {
        my ($version, $key, $value, $path, $domain, $port, $path_spec, $secure, $expires, $discard, $rest) = @_;
        return if $discard && $skip_discard;
        my @words = ($key, $value, path => $path, domain => $domain);
        push @words, port      => $port if defined $port;
        push @words, path_spec => undef if $path_spec;
        push @words, secure    => undef if $secure;
        push @words, expires   => HTTP::Date::time2isoz($expires) if $expires;
        push @words, discard   => undef if $discard;
        push @words, map { $_ => $rest->{$_} } sort keys %$rest;
        push @words, version   => $version;
        push @lines, 'Set-Cookie3: ' . HTTP::Headers::Util::join_header_words(\@words);
    });
    return join "\n", @lines, '';
}

sub save {
    my ($self, @args) = @_;
    my %options = @args == 1 ? (file => $args[0]) : (
        file => $self->{file}, ignore_discard => $self->{ignore_discard}, @args);
    my $file = defined $options{file} ? $options{file} : $self->{file};
    return if !defined $file || !length $file;
    # Nobody else's to read: whoever has the cookies is the user.
    my $mask = umask 077;
    my $opened = open my $out, '>', $file;
    umask $mask;
    $opened or die "Can't open $file: $!";
    print {$out} $FILE_HEADER, $self->as_string(!$options{ignore_discard}) or die "Can't write $file: $!";
    close $out or die "Can't close $file: $!";
    return 1;
}

# A file of cookies and its first line; nothing if there is none.
sub _open {
    my ($self, $file) = @_;
    $file = $self->{file} if !defined $file;
    return if !defined $file || !length $file;
    open my $in, '<', $file or return;
    return ($in, scalar readline $in, $file);
}

sub load {
    my ($self, @given) = @_;
    local $/ = "\n";
    my ($in, $magic, $file) = $self->_open(@given) or return;
    if (!defined $magic || $magic ne $FILE_HEADER && $magic !~ /\A\#LWP-Cookies-\d+\.\d+/) {
        Carp::carp("$file does not seem to contain cookies") if defined $magic;
        return;
    }
    while (my $line = readline $in) {
        chomp $line;
        next if $line !~ s/\ASet-Cookie3:\s*//;
        for my $words (HTTP::Headers::Util::_split_header_words($line)) {
            my ($key, $value, @attributes) = @$words;
            my %known = map { $_ => 0 } qw(path_spec secure discard);
            my %rest;
            while (@attributes) {
                my ($name, $content) = splice @attributes, 0, 2;
                if ($name =~ /\A(?:path_spec|secure|discard)\z/) {
                    $known{$name} = defined $content ? $content : 1;
                }
                elsif ($name =~ /\A(?:path|domain|port|expires|version)\z/) {
                    $known{$name} = $content;
                }
                else {
                    $rest{$name} = $content;
                }
            }
            my $expires = defined $known{expires} ? HTTP::Date::str2time($known{expires}) : undef;
            my @cookie = ($known{version}, $value, $known{port}, $known{path_spec}, $known{secure}, $expires, $known{discard});
            push @cookie, \%rest if %rest;
            $self->{COOKIES}{ $known{domain} }{ $known{path} }{$key} = \@cookie;
        }
    }
    return 1;
}

sub revert {
    my ($self) = @_;
    $self->clear->load;
    return $self;
}

sub DESTROY {
    my ($self) = @_;
    local ($@, $!, $?);
    # A destructor can't say that it failed.
    eval { $self->save } if $self->{autosave};
    return;
}

# The other formats of files come with it.
require HTTP::Cookies::Netscape;

1;

__END__

=encoding utf8

=head1 NAME

HTTP::Cookies - a stand-in for HTTP::Cookies, core Perl only

=head1 METHODS

C<new> (C<file>, C<autosave>, C<ignore_discard>, C<delayload>), C<add_cookie_header>, C<extract_cookies>, C<get_cookies>, C<set_cookie>, C<clear>,
C<clear_temporary_cookies>, C<scan>, C<as_string>, C<save>, C<load>, C<revert>: as in the original
(L<https://metacpan.org/pod/HTTP::Cookies>), with its file format. A cookie for all of C<.com>, which the original takes, is refused. C<HTTP::Cookies::Netscape> is there; C<HTTP::Cookies::Microsoft> is not.

=cut
