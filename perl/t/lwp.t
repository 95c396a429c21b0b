# LWP::UserAgent and LWP::Simple: scripts see what they see with the originals.
use strict;
use warnings;
use lib 'perl/t/lib', 'perl/lib';
use Test::More;
use JSON::PP;
use TestBroker;
use TestWeb;

delete @ENV{grep { /_proxy\z/i || /\APERL_LWP_|\AHTTPS_/ } keys %ENV};
my $web = TestWeb->start;
my $broker = TestBroker->start;
$ENV{CPAN_BRIDGE_SOCKET} = $broker->socket_path;
my $top = TestBroker::top();
my $data = "$top/tests/data/www";

sub results {
    my (@include) = @_;
    my $url = $web->url('');
    my $json = qx{$^X @include $data/scenarios.pl $url};
    return eval { decode_json($json) } || [];
}

my $golden = decode_json(do { open my $file, '<', "$data/scenarios.json" or die $!; local $/; readline $file });
ok(@$golden > 80, 'there are scenarios');
my $ours = results("-I$top/perl/compat", "-I$top/perl/lib");
is(scalar @$ours, scalar @$golden, 'all of them ran');
for my $index (0 .. $#$golden) {
    is_deeply($ours->[$index], $golden->[$index], $golden->[$index]{name});
}

# Where the original is installed, that is what it still does.
SKIP: {
    my $installed = qx{$^X -MLWP::UserAgent -e 'print LWP::UserAgent->VERSION' 2>/dev/null};
    skip 'LWP 6.68, which was recorded, is not installed: no live cross-check', 1 if $installed ne '6.68';
    is_deeply(results(), $golden, 'the original does what was recorded');
}


# Under taint checks, and with warnings.
my $tainted = 'my $ua = LWP::UserAgent->new(cookie_jar => {}); my $length = 0;'
    . 'my $r = $ua->get($ARGV[0], q(:content_cb) => sub { $length += length $_[0] }); print $r->code, q( ), $length;';
my $url = $web->url('/redirect/302/bytes/3000000');
is(qx{$^X -T -w -I$top/perl/lib -I$top/perl/compat -MLWP::UserAgent -e '$tainted' $url 2>&1}, '200 3000000', 'works under -T');

require CPANBridge;
my $client = CPANBridge->new;
TestBroker::eventually(sub {
    my $handles = $client->call('system.metrics')->{handle_summary};
    return !%$handles;
}) ? pass('scripts that are over leave no session behind') : fail('sessions are left');
is($client->call('system.health')->{checks}{workers}{details}{busy}, 0, 'nor a worker at work');

done_testing;
