# What the stand-ins for URI say of many URIs, held against what the original modules say; and the schemes that came after those.
use strict;
use warnings;
use lib 'perl/t/lib', 'perl/lib', 'perl/compat';
use Test::More;
use Recorded;
use TestBroker;
use URI;
use URI::otpauth;

my $top = TestBroker::top();
my $data = Recorded::data();
Recorded::compare(
    file     => 'uris.json',
    at_least => 6_000,
    ours     => ["-I$top/perl/compat", "-I$top/perl/lib", "$data/uris.pl"],
    original => ["$data/uris.pl"],
    versions => { URI => '5.17' },
);

# Without Business::ISBN, which few hosts have, a URI is one as well.
{
    local @INC = (sub { die "there is none\n" if $_[1] eq 'Business/ISBN.pm'; return }, @INC);
    local %INC = %INC;
    delete $INC{'Business/ISBN.pm'};
    is(URI->new('urn:isbn:0395363411')->canonical, 'urn:isbn:0395363411', 'urn:isbn') if !defined &Business::ISBN::new;
}

# Newer than that version.
for (
    ['geo:54.5,-2.25,12;crs=wgs84;u=3', latitude => 54.5, longitude => -2.25, altitude => 12, crs => 'wgs84', uncertainty => 3],
    ['irc://user:pw@irc.example:6669/#channel,isnick,needkey?key=x', port => 6669, path => '/#channel,isnick,needkey', entity => '#channel', user => 'user', secure => 0],
    ['ircs://irc.example/', port => 994, secure => 1],
    ['ftps://h/', port => 990, encrypt_mode => 'implicit', secure => 1],
    ['ftpes://h/', port => 21, encrypt_mode => 'explicit', secure => 1],
    ['icap://h/x', port => 1344, secure => 0],
    ['icaps://h/x', port => 1344, secure => 1],
    ['nntps://h/a.b', port => 563, group => 'a.b'],
    ['scp://user@h/x', port => 22, user => 'user', secure => 1],
    ['smb://dom;user:pw@h/share/x', authdomain => 'dom', user => 'user', password => 'pw', sharename => 'share', port => 445],
    ['smtp://user;AUTH=PLAIN@h', user => 'user', auth => 'PLAIN', port => 25],
    ['ws://h/x', port => 80, secure => 0],
    ['wss://h/x', port => 443, secure => 1],
    ['otpauth://totp/Firm:a@b.example?secret=JBSWY3DPEHPK3PXP&issuer=Firm&digits=8', type => 'totp', label => 'Firm:a@b.example', account_name => 'a@b.example', issuer => 'Firm',
        secret => "Hello!\xde\xad\xbe\xef", digits => 8, period => 30, algorithm => 'SHA1', counter => undef],
) {
    my ($text, @expected) = @$_;
    my $uri = URI->new($text);
    is("$uri", $text, $text);
    ok($uri->has_recognized_scheme, 'has a class');
    while (my ($method, $value) = splice @expected, 0, 2) {
        is($uri->$method, $value, "->$method");
    }
}
my $ldap = URI->new('ldap://h/dn??sub?(cn=%25)');
is_deeply([$ldap->_scope, $ldap->_filter, URI->new('ldap://h/dn')->_scope, URI->new('ldap://h/dn')->scope], ['sub', '(cn=%)', '', 'base'], 'ldap, with and without defaults');
is(URI->new('irc://h/n,isnick,isserver,needpass')->canonical, 'irc://h/n,isuser,needpass', 'flags by their present names');
is(URI::otpauth->new(secret => 'is-this_sup3r-s3cr3t?', issuer => 'Example', account_name => 'a@b.example'),
    'otpauth://totp/Example:a@b.example?secret=NFZS25DINFZV643VOAZXELLTGNRXEM3UH4&issuer=Example', 'otpauth');
ok(URI->new('geo:90,1')->eq('geo:90,2'), 'a pole has no longitude');
ok(!eval { URI->new('geo:1') }, 'half a place is none');
is(URI->new('http://h:0080/')->canonical, 'http://h/', 'zeros in front of a port');
is(URI->new('HTTP://A^b\c/')->canonical, 'http://a%5Eb%5Cc/', 'a host is in small letters, what is escaped in it in capitals');
my $open = URI->new('http://u@h:9/p');
$open->host('x:');
is($open, 'http://u@x:/p', 'a port that is left open is the scheme\'s');
done_testing;
