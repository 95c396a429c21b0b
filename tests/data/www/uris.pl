# What URI and its kin say of many URIs, as JSON: the same with the original modules and with the stand-ins.
use strict;
use warnings;
no warnings qw(uninitialized);

use JSON::PP ();
use URI ();
use URI::Escape ();
use URI::Heuristic ();
use URI::QueryParam ();
use URI::Split ();
use URI::URL ();
use URI::WithBase ();
use URI::file ();

delete @ENV{qw(LC_ALL LANG HTTP_ACCEPT_LANGUAGE)};
$ENV{URL_GUESS_PATTERN} = '';
$SIG{__WARN__} = sub { };

my @uris = (
    # http
    'http://example.com', 'http://example.com/', 'HTTP://EXAMPLE.com:80/%7Euser', 'http://example.com:8080/a/b;p=1/c?x=1&y=2#frag', 'http://user:pass@example.com/',
    'http://[::1]:81/x', 'http://[2001:DB8::1]', 'http://example.com?query', 'http://example.com#fragment', 'http://example.com/a b"<>\\^`{|}',
    "http://example.com/\xe9", "http://example.com/\x{20ac}?\x{20ac}=\xe9#\x{20ac}", 'http://example.com/%41%2f%e9%zz%', 'http:', 'http:/', 'http:a/b', 'http://',
    'http:///path', 'http://example.com/./a/../b/.', 'http://example.com/?a=b=c&d&=e&f=%26+%2B', 'http://example.com/?a+b+%2B', 'http://ex_ample.com/',
    'http://a@b@example.com/', 'https://example.com:443/x', 'https://example.com:80', 'http://example.com:x/', "http://b\xfccher.example/", 'http://xn--bcher-kva.example/',
    'http://example.com/[x]?[y]#[z]', 'http://us[er]@example.com/', 'http://1.2.3.4:5/', 'http://example.com/a;b;c/d;e', 'http://example.com/%3B%2F;%2f',
    '<http://example.com/>', '<URL:http://example.com/>', '"http://example.com/"', "  http://example.com/ \n",
    # relative
    '', '#', '?', '/', '.', '..', '../a', 'a/b', '/a/b', '//host/a', '?a=b', '#f', 'a:b', './a:b', 'a?b#c', '0', ' ', 'a b', "\xe9", "\x{20ac}",
    # others
    'ftp://ftp.example.com/pub;type=a', 'ftp://user:p%40ss@ftp.example.com:2121/x', 'ftp://anonymous@h/', 'ftp:x', 'file:///etc/passwd', 'file:/etc/passwd', 'file://localhost/x', 'file://host/x',
    'file:relative/x', 'file:///a%20b%3Fc%23d', 'file:///C:/x', 'file:', 'mailto:a@b.example', 'mailto:a@b.example,c@d.example?subject=x%20y&cc=e@f.example', 'mailto:',
    'news:comp.lang.perl', 'news:123@example.com', 'news://host/group/1-10', 'news:*', 'nntp://host:120/group/5', 'snews://host/a.b', 'gopher://host/', 'gopher://host/0sel%09search%09plus', 'gopher://host:71/7x',
    'ldap://host/dc=example,dc=com?cn,sn?sub?(cn=a%20b)?!x=y,z', 'ldap:///o=x??one', 'LDAP://HOST:389/O=X?CN?BASE?(objectClass=*)', 'ldaps://host',
    'pop://user;AUTH=*@host:110', 'pop://us%3Ber@host', 'rlogin://user@host', 'telnet://user:pw@host:23/', 'tn3270://host', 'rsync://user@host/mod/path', 'rtsp://host:554/x', 'rtspu://host/x', 'mms://host/x',
    'sip:user@host;transport=tcp?subject=x', 'sip:user:pw@host:5060', 'sips:host', 'ssh://user@host:22/', 'sftp://user@host/x', 'urn:isbn:123', 'urn:oid:1.2.3', 'URN:FOO:Bar%2c', 'urn:',
    'data:,a%20b', 'data:text/plain;charset=utf-8;base64,YQ==', 'data:', 'data:x', 'tel:+1-2', 'x-foo://host:1/p?q#f', 'javascript:alert("x")', 'foo+bar.baz-1:x', 'about:blank',
);
my @methods = qw(
    as_string scheme opaque path fragment canonical as_iri secure has_recognized_scheme authority path_query query userinfo host ihost port _port host_port default_port user password
    to group message gopher_type selector search string dn attributes scope filter extensions un_path auth params nid nss oid media_type data file dir
    path_segments query_form query_keywords query_param headers params_form
);
my @setters = (
    [scheme => 'https'], [scheme => undef], [path => '/new path?x#y'], [path => 'rel'], [path => ''], [query => 'a=b c#d'], [query => undef], [fragment => 'f g'], [fragment => undef], [opaque => 'op aque?x'],
    [authority => 'new.example:99'], [authority => undef], [authority => ''], [path_query => '/p?q'], [host => 'other.example'], [host => 'h:1'], [host => '::2'], [host => '[::2]:3'], [port => 77], [port => undef], [port => ''],
    [userinfo => 'u:p@'], [userinfo => undef], [user => 'us er'], [user => undef], [password => 'p/w'], [password => undef], [host_port => 'h2:2'], [path_segments => '', 'a/b', 'c;d', ['e', 'f;g']],
    [query_form => 'k' => 'v w', 'k' => ['1', '2'], 'l' => '&=']
    , [query_form => {}], [query_keywords => 'a', 'b c', '+'], [query_param => 'x', 'new'], [query_param_append => 'z', 1, 2], [query_param_delete => 'x'],
    [to => 'x@y.example'], [group => 'a.b', 1, 2], [message => 'm@h.example'], [gopher_type => '5'], [selector => 's l'], [search => 'w'], [dn => 'cn=a b'], [attributes => 'a', 'b,c'], [scope => 'one'], [filter => '(x=y)'],
    [extensions => 'a' => 'b,c'], [auth => '+X'], [params => 'a=b'], [nid => 'foo'], [nss => 'x:y'], [oid => 1, 2], [media_type => 'a/b'], [data => 'x y'], [data => 'x>>>>>>>>>>>>>>'],
);
my @bases = ('http://a/b/c/d;p?q', 'http://a', 'ftp://h/x/', 'file:///x/y', 'mailto:x@y', 'rel/path', 'x-foo:a/b');
my @pairs = map { my $rel = $_; map { [$rel, $_] } @bases } '', 'g', './g', '../g', '../../../g', '/g', '//g', '?y', '#s', 'g?y#s', 'g;x', 'http:g', 'http:', '.', '..', 'a/./b/../c', 'mailto:a', 'file:x', 'news:1@2';

my @facts;
sub fact { my ($name, $work) = @_; push @facts, { name => $name, is => shown($work) }; return }
sub shown {
    my ($work) = @_;
    my @result = eval { $work->() };
    return 'died' if $@;
    return join ' | ', map { defined $_ ? escaped("$_") : 'undef' } @result;
}
# ASCII, so that the file is.
sub escaped { my ($text) = @_; $text =~ s/([^\x20-\x7e])/sprintf '\\x{%x}', ord $1/ge; return $text }

for my $text (@uris) {
    my $shown = escaped($text);
    fact("new $shown", sub { my $uri = URI->new($text); return (ref $uri, $uri) });
    fact("new $shown, http", sub { my $uri = URI->new($text, 'http'); return (ref $uri, $uri) });
    fact("$shown ->$_", do { my $method = $_; sub { return 'no' if !URI->new($text)->can($method); return URI->new($text)->$method } }) for @methods;
    for my $setter (@setters) {
        my ($method, @values) = @$setter;
        fact("$shown ->$method(" . join(', ', map { ref $_ ? JSON::PP->new->canonical->encode($_) : defined $_ ? $_ : 'undef' } @values) . ')', sub {
            my $uri = URI->new($text);
            return 'no' if !$uri->can($method) || $method eq 'scheme' && $text =~ /\A(?:mailto|sip|urn|data)/i || $method eq 'host' && $text =~ /\Asip/ || $method eq 'password' && !defined $values[0]
                || $method eq 'query_keywords' && $text =~ /\Asip/;
            # What setters give is not told where it is no old value.
            my $old = $uri->$method(@values);
            return (ref $uri, $uri, $method =~ /\A(?:query_|selector|search|params|gopher_type)/ || $text =~ /\Asip/ ? () : $old);
        });
    }
    next if $text =~ m{\A[^/:?#]+:(?!/)};
    fact("url $shown", sub { my $url = URI::URL->new($text); return ("$url", map { my $method = $_; shown(sub { scalar $url->$method }) } qw(path epath params full_path frag netloc query equery)) });
    fact("crack $shown", sub { return URI::URL->new($text)->crack });
    fact("split $shown", sub { return URI::Split::uri_split($text) });
    fact("heuristic $shown", sub { return URI::Heuristic::uf_uristr($text) }) if $text !~ m{\A//};
}
for my $pair (@pairs) {
    my ($rel, $base) = @$pair;
    fact("'$rel' from '$base'", sub { return URI->new_abs($rel, $base) });
    next if $base =~ /\Arel|\Amailto|\Aftp/;
    fact("'$rel' from '$base' and back", sub { return URI->new_abs($rel, $base)->rel($base) });
    fact("'$rel' from '$base', with base", sub { my $uri = URI::WithBase->new($rel, $base); return ($uri, $uri->base, $uri->abs, $uri->abs->rel) });
    fact("'$rel' from '$base', relative schemes, no dots", sub { local ($URI::ABS_ALLOW_RELATIVE_SCHEME, $URI::ABS_REMOTE_LEADING_DOTS) = (1, 1); return URI->new($rel)->abs($base) });
    fact("'$base' relative to '$rel'", sub { return URI->new($base)->rel($rel) });
}
fact("eq $_->[0] $_->[1]", do { my ($left, $right) = @$_; sub { return URI::eq($left, $right) } })
    for ['http://a', 'HTTP://A:80/'], ['http://a/%7e', 'http://a/~'], ['mailto:a@b', 'mailto:A@B'], ['a', 'a'], ['a', 'b'], ['urn:isbn:1', 'URN:ISBN:1'], ['news:a', 'news:A'];
for my $path ('/a/b', 'a/b', '.', '..', '', '/', 'a b', '/a%b?c#d;e', 'a:b', '/a:b', '//h/x', "\xe9", 'C:\\x\\y', 'C:x', '\\\\h\\s\\x', ':a:b', 'v:a:b', '::a', 'a..b', 'name.longer.ext') {
    for my $os ($path =~ /\A:|\Av:a/ ? 'mac' : (), qw(unix win32 dos qnx)) {
        fact("path " . escaped($path) . " of $os", sub { my $uri = URI::file->new($path, $os); return ($uri, $uri->file($os), $uri->dir($os)) });
    }
}
for my $text ("a b\xe9~!*'()[];/?:@&=+\$,%-_.") {
    fact("escape $_", do { my $set = $_; sub { return URI::Escape::uri_escape($text, $set eq 'none' ? () : $set) } }) for 'none', '^A-Za-z', 'a-z', '\\w', '/', ' %', '[]', '^-', '[:alpha:]', '^A-Za-z0-9\\-\\._~';
    fact('escape utf8', sub { return URI::Escape::uri_escape_utf8("$text\x{20ac}") });
}
fact("join @{[map { defined $_ ? $_ : 'undef' } @$_]}", do { my @parts = @$_; sub { return URI::Split::uri_join(@parts) } })
    for ['http', 'h', '/p', 'q', 'f'], ['http', undef, 'p', undef, undef], [undef, undef, 'a:b', undef, undef], ['x', undef, '//p', undef, undef], ['http', 'h/x', 'p?y', 'q#z', 'f#g'], [undef, 'h', '', undef, undef], ['a', '', '', '', ''];

# A line each: there are many.
print "[\n", join(",\n", map { JSON::PP->new->canonical->ascii->encode($_) } grep { $_->{is} ne 'no' } @facts), "\n]\n";
