# LWP::UserAgent and LWP::Simple: scripts see what they see with the originals.
use strict;
use warnings;
use lib 'perl/t/lib', 'perl/lib';
use Test::More;
use Recorded;
use TestBroker;
use TestWeb;

delete @ENV{grep { /_proxy\z/i || /\APERL_LWP_|\AHTTPS_/ } keys %ENV};
my $web = TestWeb->start;
my $broker = TestBroker->start;
$ENV{CPAN_BRIDGE_SOCKET} = $broker->socket_path;
my $top = TestBroker::top();
my $data = Recorded::data();
my $url = $web->url('');
Recorded::compare(
    file     => 'scenarios.json',
    at_least => 80,
    ours     => ["-I$top/perl/compat", "-I$top/perl/lib", "$data/scenarios.pl", $url],
    original => ["$data/scenarios.pl", $url],
    versions => { 'LWP::UserAgent' => '6.68' },
);

# Under taint checks, and with warnings.
my $tainted = 'my $ua = LWP::UserAgent->new(cookie_jar => {}); my $length = 0;'
    . 'my $r = $ua->get($ARGV[0], q(:content_cb) => sub { $length += length $_[0] }); print $r->code, q( ), $length;';
$url = $web->url('/redirect/302/bytes/3000000');
my $own = TestBroker::own_modules();
is(qx{$^X -T -w $own -I$top/perl/lib -I$top/perl/compat -MLWP::UserAgent -e '$tainted' $url 2>&1}, '200 3000000', 'works under -T');

require CPANBridge;
my $client = CPANBridge->new;
TestBroker::eventually(sub {
    my $handles = $client->call('system.metrics')->{handle_summary};
    return !%$handles;
}) ? pass('scripts that are over leave no session behind') : fail('sessions are left');
is($client->call('system.health')->{checks}{workers}{details}{busy}, 0, 'nor a worker at work');

done_testing;
