# The runner of the originals' suites: what it says of a suite that is known.
use strict;
use warnings;
use lib 'perl/t/lib';
use Test::More;
use File::Temp ();
use TestBroker;

my $top = TestBroker::top();
my $runner = "$top/tests/conformance/run.pl";
plan skip_all => 'the runner is not part of the distribution' if !-e $runner;

sub suite {
    my (%files) = @_;
    my $directory = File::Temp::tempdir(CLEANUP => 1);
    mkdir "$directory/$_" or die $! for qw(t lib);
    while (my ($name, $text) = each %files) {
        open my $file, '>', "$directory/$name" or die $!;
        print {$file} $text;
        close $file or die $!;
    }
    return $directory;
}

sub run {
    my ($directory, @options) = @_;
    my $said = qx{$^X $runner @options $directory 2>&1};
    return ($said, $? >> 8);
}

my %good = (
    't/good.t' => 'use Test::More tests => 2; use CPANBridge; ok(1); is(CPANBridge->new->call("test.echo", { a => 1 })->{a}, 1);',
    # The module of the suite's own would say 2.
    't/ours.t'    => 'use Test::More tests => 1; use Crypt::Blowfish; isnt($Crypt::Blowfish::VERSION, 2);',
    'lib/Other.pm' => 'package Other; 1',
    'test.pl'     => 'print "1..1\nok 1\n"',
);
my ($said, $status) = run(suite(%good));
is($status, 0, 'all passed') or diag $said;
like($said, qr{^t/good\.t +2 of +2 passed$}m, 'a file');
like($said, qr{^3 of 3 files, 4 of 4 tests passed$}m, 'and the sum');

($said, $status) = run(suite(
    %good,
    't/bad.t'     => 'use Test::More tests => 3; ok(1); ok(0); ok(1);',
    't/dies.t'    => 'use Test::More tests => 3; ok(1); die "of this\n";',
    't/skips.t'   => 'use Test::More tests => 2; ok(1); SKIP: { skip "because", 1 }',
    't/nothing.t' => 'use Test::More skip_all => "not here";',
    't/lib.t'     => 'use Test::More tests => 1; ok(eval { require Other; 1 });',
));
is($status, 1, 'not all');
like($said, qr{^t/bad\.t +2 of +3 passed; failed: 2$}m,                 'one that fails');
like($said, qr{^t/dies\.t +1 of +3 passed; ended with status \d+: of this$}m, 'one that dies');
like($said, qr{^t/skips\.t +1 of +2 passed; 1 skipped$}m,               'what is skipped has not passed');
like($said, qr{^t/nothing\.t +0 of +1 passed; skipped: not here$}m,     'nor a whole file');
like($said, qr{^t/lib\.t +0 of +1 passed}m,                             'the suite\'s own modules are not there');
like($said, qr{^3 of 8 files, 8 of 14 tests passed$}m,                  'the sum');

# A distribution that stands on the stand-ins brings the module under test, and what it has of the same name does not take their place.
my $dependent = suite(
    %good,
    't/own.t'   => 'use Test::More tests => 1; use Other; is(Other->up, Crypt::Blowfish->VERSION);',
    'lib/Other.pm' => 'package Other; use Crypt::Blowfish; sub up { Crypt::Blowfish->VERSION } 1',
);
mkdir "$dependent/lib/Crypt" or die $!;
open my $same_name, '>', "$dependent/lib/Crypt/Blowfish.pm" or die $!;
print {$same_name} 'package Crypt::Blowfish; our $VERSION = 2; 1';
close $same_name or die $!;
($said, $status) = run($dependent, '--keep-lib');
is($status, 0, 'a suite with modules of its own') or diag $said;
like($said, qr{^t/own\.t +1 of +1 passed$}m,                              'which are there');
($said, $status) = run($dependent);
is($status, 1, 'not without the option');

($said, $status) = run(suite('t/hangs.t' => 'print "1..1\n"; sleep 600'), '--timeout', 1);
is($status, 1, 'one that hangs is ended');
like($said, qr{^t/hangs\.t +0 of +1 passed; not done after 1 seconds$}m, 'and told');
($said, $status) = run('/nonexistent');
isnt($status, 0, 'no suite');

done_testing;
