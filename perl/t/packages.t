# The packages: installed by the host's package manager into a root of their own, run from there, and removed without a trace.
use strict;
use warnings;
use lib 'perl/t/lib', 'perl/lib';
use Test::More;
use File::Find ();
use File::Path qw(mkpath);
use File::Temp ();
use TestBroker;

my $top = TestBroker::top();
my $directory = File::Temp::tempdir(CLEANUP => 1);

sub has { return system("$_[0] >/dev/null 2>&1") == 0 }
my %has = map { $_->[0] => !(grep { !has($_) } @$_[1 .. $#$_]) } (
    [deb => 'dpkg --version', 'cargo deb --version', 'objdump --version', 'strip --version'],
    [rpm => 'rpm --version', 'cargo generate-rpm --version', 'objdump --version', 'strip --version'],
);
plan skip_all => 'needs cargo-deb and dpkg, or cargo-generate-rpm and rpm' if !grep { $_ } values %has;
plan skip_all => 'needs root, as installing does' if $> != 0;

# The program under test, without what makes packing it slow, whatever C library it is for.
my $program = "$directory/cpan-bridge";
is(system('strip', '-o', $program, TestBroker::binary()), 0, 'stripped');
chdir $top or die $!;
local @ENV{qw(GLIBC DEB_FLAGS RPM_FLAGS)} = ('99', '--fast', '--payload-compress none');

sub files {
    my ($root) = @_;
    my %files;
    File::Find::find({ no_chdir => 1, wanted => sub { $files{substr $_, length $root} = 1 if !-d && !m{/var/lib/(?:dpkg|rpm)/} && !m{/var/log/} } }, $root);
    return \%files;
}

sub works {
    my ($kind, $root, $lib) = @_;
    my $files = files($root);
    ok($files->{$_}, "$kind: $_") for '/usr/bin/cpan-bridge', "$lib/CPANBridge.pm", "$lib/CPANBridge/compat/LWP/UserAgent.pm", qw(
        /etc/cpan-bridge.toml /etc/logrotate.d/cpan-bridge /usr/lib/systemd/system/cpan-bridge.socket /usr/lib/sysusers.d/cpan-bridge.conf
        /usr/share/doc/cpan-bridge/LICENSE /usr/share/doc/cpan-bridge/docs/quickstart.md);
    is(scalar(grep { m{/man1/cpan-bridge-serve\.1|/man3/CPANBridge\.3} } keys %$files), 2, "$kind: manual pages");
    is((stat "$root/usr/bin/cpan-bridge")[2] & 07777, 0711, "$kind: the program can be executed and not read");
    local @ENV{qw(PERL5LIB XDG_RUNTIME_DIR PATH)} = ("$root$lib", File::Temp::tempdir(CLEANUP => 1), "$root/usr/bin:$ENV{PATH}");
    local $ENV{CPAN_BRIDGE_BIN};
    delete $ENV{CPAN_BRIDGE_BIN};
    is(qx{cd / && $^X -MCPANBridge -e 'print CPANBridge->new->call("test.ping")->{message}'}, 'pong', "$kind: works");
    is(qx{cpan-bridge stop}, "Stopped\n", "$kind: stopped");
    return;
}

# How each package manager is kept within a root of its own. The scripts of an rpm would act in that root, which has no shell.
sub prepare_deb {
    my ($root) = @_;
    mkpath(["$root/var/lib/dpkg/info", "$root/var/lib/dpkg/updates"]);
    for my $name (qw(status available)) { open my $file, '>', "$root/var/lib/dpkg/$name" or die $! }
    my $dpkg = "dpkg --root=$root --force-depends --force-script-chrootless --log=/dev/null";
    return ("$dpkg -i", "$dpkg -P");
}

sub prepare_rpm {
    my ($root) = @_;
    mkpath("$root/var/lib/rpm");
    my $rpm = "rpm --root $root --dbpath /var/lib/rpm --nodeps --noscripts";
    return ("$rpm -i", "$rpm -e");
}

for my $case (['deb', \&prepare_deb, '/usr/share/perl5'], ['rpm', \&prepare_rpm, '/usr/share/perl5/vendor_perl']) {
    my ($kind, $prepare, $lib) = @$case;
    next if !$has{$kind};
    my $said = qx{sh packaging/dist.sh $kind $program $directory/$kind 2>&1};
    is($?, 0, "make $kind") or diag $said;
    my ($package) = glob "$directory/$kind/*.$kind";
    my $root = "$directory/${kind}root";
    my ($install, $remove) = $prepare->($root);
    $said = qx{$install $package 2>&1};
    is($?, 0, "$kind: installed") or diag $said;
    works($kind, $root, $lib);
    $said = qx{$remove cpan-bridge 2>&1};
    is($?, 0, "$kind: removed") or diag $said;
    is_deeply(files($root), {}, "$kind: nothing is left");
}

done_testing;
