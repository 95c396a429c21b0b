# The original's own tests with the stand-in, where somebody has them: CRYPT_CBC_DIST names an unpacked distribution.
# They are not ours to ship.
use strict;
use warnings;
use lib 'perl/t/lib', 'perl/lib';
use Cwd qw(abs_path);
use File::Temp ();
use Test::More;
use TestBroker;

my $distribution = $ENV{CRYPT_CBC_DIST};
plan skip_all => 'CRYPT_CBC_DIST does not name an unpacked Crypt-CBC distribution: its own tests are not run'
    if !defined $distribution || !-d "$distribution/t";

require TAP::Harness;
my $broker = TestBroker->start;
$ENV{CPAN_BRIDGE_SOCKET} = $broker->socket_path;
my $top = abs_path(TestBroker::top());
my @files = map { abs_path($_) } sort glob "$distribution/t/*.t";
# Elsewhere, because they look for the module below the current directory first.
my $elsewhere = File::Temp->newdir;
chdir $elsewhere or die $!;
my ($result, $said) = (undef, '');
{
    open my $quiet, '>', \$said or die $!;
    my $harness = TAP::Harness->new({ lib => ["$top/perl/compat", "$top/perl/lib"], verbosity => -3, merge => 1, stdout => $quiet });
    $result = $harness->runtests(@files);
}
chdir $top or die $!;
ok($result->total > 0, 'there are tests: ' . $result->total . ' in ' . @files . ' files');
is($result->get_status, 'PASS', 'all of them pass') or diag($said);

done_testing;
