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
    delete local $ENV{CPAN_BRIDGE_BIN};
    is(qx{cd / && $^X -MCPANBridge -e 'print CPANBridge->new->call("test.ping")->{message}'}, 'pong', "$kind: works");
    is(qx{cpan-bridge stop}, "Stopped\n", "$kind: stopped");
    return;
}

if ($has{deb}) {
    my $said = qx{sh packaging/dist.sh deb $program $directory/deb 2>&1};
    is($?, 0, 'make deb') or diag $said;
    my ($package) = glob "$directory/deb/*.deb";
    my $root = "$directory/debroot";
    mkpath(["$root/var/lib/dpkg/info", "$root/var/lib/dpkg/updates"]);
    for my $name (qw(status available)) { open my $file, '>', "$root/var/lib/dpkg/$name" or die $! }
    my $dpkg = "dpkg --root=$root --force-depends --force-script-chrootless --log=/dev/null";
    $said = qx{$dpkg -i $package 2>&1};
    is($?, 0, 'dpkg -i') or diag $said;
    works('deb', $root, '/usr/share/perl5');
    $said = qx{$dpkg -P cpan-bridge 2>&1};
    is($?, 0, 'dpkg -P') or diag $said;
    is_deeply(files($root), {}, 'deb: nothing is left');
}
if ($has{rpm}) {
    my $said = qx{sh packaging/dist.sh rpm $program $directory/rpm 2>&1};
    is($?, 0, 'make rpm') or diag $said;
    my ($package) = glob "$directory/rpm/*.rpm";
    my $root = "$directory/rpmroot";
    mkpath("$root/var/lib/rpm");
    # The scripts would act in the root, which has no shell.
    my $rpm = "rpm --root $root --dbpath /var/lib/rpm --nodeps --noscripts";
    $said = qx{$rpm -i $package 2>&1};
    is($?, 0, 'rpm -i') or diag $said;
    works('rpm', $root, '/usr/share/perl5/vendor_perl');
    $said = qx{$rpm -e cpan-bridge 2>&1};
    is($?, 0, 'rpm -e') or diag $said;
    is_deeply(files($root), {}, 'rpm: nothing is left');
}

done_testing;
