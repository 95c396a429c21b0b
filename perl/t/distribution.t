# The client as a normal CPAN distribution: what MANIFEST names is enough to test and install it.
use strict;
use warnings;
use lib 'perl/t/lib';
use Test::More;
use File::Basename qw(dirname);
use File::Copy qw(copy);
use File::Find ();
use File::Path qw(mkpath);
use File::Temp ();
use TestBroker;

plan skip_all => 'ExtUtils::MakeMaker is not here' if !eval { require ExtUtils::MakeMaker; 1 };

my $perl = TestBroker::top() . '/perl';
my $directory = File::Temp::tempdir(CLEANUP => 1);
my $tree = "$directory/CPANBridge";
open my $manifest, '<', "$perl/MANIFEST" or die $!;
chomp(my @named = <$manifest>);
for my $file (@named) {
    mkpath(dirname("$tree/$file"));
    ok(copy("$perl/$file", "$tree/$file"), $file);
}

my %modules;
for my $kind (qw(lib compat)) {
    File::Find::find({ no_chdir => 1, wanted => sub { $modules{ substr $_, length "$perl/" } = 1 if /\.(?:pm|pod)\z/ } }, "$perl/$kind");
}
my %named = map { $_ => 1 } @named;
is_deeply([grep { !$named{$_} } sort keys %modules], [], 'MANIFEST names every module');

# An empty place for it to be installed in; nothing of the checkout in sight.
delete @ENV{qw(PERL5LIB PERL_MM_OPT PERL_MB_OPT MAKEFLAGS MAKEOVERRIDES MFLAGS DESTDIR PREFIX)};
chdir $tree or die $!;
like(qx{$^X Makefile.PL 2>&1}, qr/Writing Makefile for CPANBridge/, 'perl Makefile.PL');
my $said = qx{make 2>&1};
is($?, 0, 'make') or diag $said;
$said = qx{make test TEST_FILES='t/messagepack.t t/call.t t/oneshot.t' 2>&1};
is($?, 0, 'make test') or diag $said;
like($said, qr/Result: PASS/, 'passes');
{
    local $ENV{CPAN_BRIDGE_BIN} = '/nonexistent';
    local $ENV{PATH} = '/usr/bin:/bin';
    SKIP: {
        skip 'a program is installed', 1 if -x '/usr/bin/cpan-bridge' || -x '/bin/cpan-bridge';
        like(qx{$^X -Ilib t/call.t 2>&1}, qr/1\.\.0 # SKIP there is no cpan-bridge in PATH/, 'without the program it is skipped');
    }
}
$said = qx{make install DESTDIR=$directory/stage 2>&1};
is($?, 0, 'make install') or diag $said;
my %installed;
File::Find::find({ no_chdir => 1, wanted => sub { $installed{$1} = 1 if m{/((?:CPANBridge|LWP|HTTP|URI|Crypt)\b.*\.(?:pm|pod))\z} } }, "$directory/stage");
my %expected = map { my $place = $_; $place =~ s{\Alib/}{} || $place =~ s{\Acompat/}{CPANBridge/compat/}; ($place => 1) } keys %modules;
is_deeply(\%installed, \%expected, 'every module is where it belongs, and no stand-in where it would be taken for the original');
my $manual = 0;
File::Find::find({ no_chdir => 1, wanted => sub { $manual = 1 if m{/CPANBridge\.3\w*\z} } }, "$directory/stage");
ok($manual, 'with its manual page');
chdir '/' or die $!;

done_testing;
