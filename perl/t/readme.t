# The example of the README, as it stands, by a user who has just installed: nothing runs yet.
use strict;
use warnings;
use lib 'perl/t/lib', 'perl/lib';
use Test::More;
use File::Temp ();
use CPANBridge;
use OnlyRuntime;
use TestBroker;

my $top = TestBroker::top();
my $runtime = File::Temp::tempdir(CLEANUP => 1);
$ENV{XDG_RUNTIME_DIR} = $runtime;
TestBroker::binary();

open my $readme, '<', "$top/README.md" or die $!;
my ($example) = do { local $/; readline $readme } =~ /```perl\n(.*?)```/s;
ok($example, 'there is an example');
my $script = File::Temp->new;
print {$script} "use strict; use warnings;\n$example";
close $script;
is(qx{$^X -I$top/perl/lib -I$top/perl/t/lib -MOnlyRuntime $script 2>&1}, "Hello\n", 'it does what it shows');

CPANBridge->new(autostart => 0)->call('system.shutdown');
ok(TestBroker::eventually(sub { !-e "$runtime/cpan-bridge/broker.sock" }), 'the broker that was started ends');

done_testing;
