# The Makefile finds what cargo built, also where the environment has cargo build elsewhere.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use TestBroker;

my $top = TestBroker::top();
plan skip_all => 'make is not here' if system('make --version >/dev/null 2>&1') != 0;
delete @ENV{qw(CARGO_TARGET_DIR CARGO_BUILD_TARGET_DIR MAKEFLAGS MAKEOVERRIDES MFLAGS PREFIX DESTDIR)};

# Every mention of the program in what make would run.
sub programs {
    my ($environment, @targets) = @_;
    my $said = qx{$environment make -n -C $top @targets 2>&1};
    my %seen = map { $_ => 1 } $said =~ m{'([^']*/(?:debug|release)/cpan-bridge)'}g;
    return [sort keys %seen];
}
my @release = qw(demo bench bench-full soak install uninstall);
is_deeply(programs('', $_), ["$top/target/release/cpan-bridge"], "make $_") for @release;
my @debug = ('test-perl', 'test-perls', 'conformance SUITE=x');
is_deeply(programs('', $_), ["$top/target/debug/cpan-bridge"], "make $_") for @debug;
for my $variable (qw(CARGO_TARGET_DIR CARGO_BUILD_TARGET_DIR)) {
    is_deeply(programs("$variable=/elsewhere", $_), ['/elsewhere/release/cpan-bridge'], "$variable, make $_") for @release;
    is_deeply(programs("$variable=/elsewhere", $_), ['/elsewhere/debug/cpan-bridge'], "$variable, make $_") for @debug;
    is_deeply(programs("$variable=else/where", $_), ["$top/else/where/debug/cpan-bridge"], "$variable that is relative, make $_")
        for @debug;
}

done_testing;
