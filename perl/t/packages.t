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
    [deb => 'dpkg --version', 'cargo deb --version', 'strip --version'],
    [rpm => 'rpm --version', 'cargo generate-rpm --version', 'strip --version'],
);
plan skip_all => 'needs cargo-deb and dpkg, or cargo-generate-rpm and rpm' if !grep { $_ } values %has;
plan skip_all => 'needs root, as installing does' if $> != 0;

# The program under test, without what makes packing it slow, whatever C library it is for.
my $program = "$directory/cpan-bridge";
is(system('strip', '-o', $program, TestBroker::binary()), 0, 'stripped');
# And one that is small, where it does not matter which: packers that were built without optimisation take a second for a megabyte.
my $small = "$directory/small";
{
    open my $file, '>', $small or die $!;
    print $file "#!/bin/sh\n# GLIBC_2.17\nexec '", TestBroker::binary(), "' \"\$\@\"\n";
    close $file or die $!;
    chmod 0755, $small;
}
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
        /usr/share/doc/cpan-bridge/docs/quickstart.md),
        $kind eq 'deb' ? map({ "/usr/share/doc/cpan-bridge/$_" } qw(copyright THIRD-PARTY-NOTICES.gz changelog.Debian.gz))
        : map({ "/usr/share/doc/cpan-bridge/$_" } qw(LICENSE THIRD-PARTY-NOTICES));
    my $zsh = $kind eq 'deb' ? 'vendor-completions' : 'site-functions';
    ok($files->{"/usr/share/zsh/$zsh/_cpan-bridge"}, "$kind: completions where zsh looks");
    is(scalar(grep { m{/man1/cpan-bridge-serve\.1|/man3/CPANBridge\.3} } keys %$files), 2, "$kind: manual pages");
    is((stat "$root/usr/bin/cpan-bridge")[2] & 07777, 0711, "$kind: the program can be executed and not read");
    local @ENV{qw(PERL5LIB XDG_RUNTIME_DIR PATH)} = ("$root$lib", File::Temp::tempdir(CLEANUP => 1), "$root/usr/bin:$ENV{PATH}");
    local $ENV{CPAN_BRIDGE_BIN};
    delete $ENV{CPAN_BRIDGE_BIN};
    is(qx{cd / && $^X -MCPANBridge -e 'print CPANBridge->new->call("test.ping")->{message}'}, 'pong', "$kind: works");
    like(qx{cpan-bridge stop}, qr{\AStopped;}, "$kind: stopped");
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

# What a script of a package removes when it goes for good has to be all that the package made and the package manager leaves.
sub leftovers {
    my ($kind, $root, $package) = @_;
    return if $kind ne 'rpm';
    my %named = map { $_ => 1 } qx{rpm -qp --queryformat '%{POSTUN}' $package} =~ m{^(/\S+)$}mg;
    my @left;
    File::Find::finddepth({ no_chdir => 1, wanted => sub { push @left, substr $_, length $root if -d } }, "$root/usr", "$root/etc");
    my @unnamed = grep { !$named{$_} && !m{\A/(?:etc|usr|usr/(?:bin|lib|share|share/(?:doc|man|man/man\d)))\z} } @left;
    is_deeply(\@unnamed, [], 'rpm: directories that no package owns are removed by its script');
    return;
}

# Bytes of a package, by the sum that lies beside it.
sub sum_of {
    my ($package) = @_;
    open my $file, '<', "$package.sha256" or die "$package.sha256: $!";
    return (split ' ', scalar <$file>)[0];
}

for my $case (['deb', \&prepare_deb, '/usr/share/perl5'], ['rpm', \&prepare_rpm, '/usr/share/perl5/vendor_perl']) {
    my ($kind, $prepare, $lib) = @$case;
    next if !$has{$kind};
    my $packed = $kind eq 'deb' ? $program : $small;
    my $said = qx{sh packaging/dist.sh $kind $packed $directory/$kind 2>&1};
    is($?, 0, "make $kind") or diag $said;
    my ($package) = glob "$directory/$kind/*.$kind";
    is_deeply([grep { !/\Q$package\E(?:\.sha256)?\z/ } glob "$directory/$kind/*"], [], "$kind: nothing else is left");
    my ($needs) = $said =~ /for glibc (\S+) and later/;
    my $wants = $kind eq 'deb' ? qx{dpkg-deb -f $package Depends} : qx{rpm -qp --requires $package};
    like($wants, qr/(?:libc6 \(|glibc )>= \Q$needs\E\b/, "$kind: wants the C library that the program wants");
    my $root = "$directory/${kind}root";
    my ($install, $remove) = $prepare->($root);
    $said = qx{$install $package 2>&1};
    is($?, 0, "$kind: installed") or diag $said;
    works($kind, $root, $lib);
    $said = qx{$remove cpan-bridge 2>&1};
    is($?, 0, "$kind: removed") or diag $said;
    is_deeply(files($root), {}, "$kind: nothing is left");
    leftovers($kind, $root, $package);
}

# The archive, twice: the same bytes, and a refusal says what to do.
{
    my @sums;
    for my $round (1, 2) {
        my $said = qx{sh packaging/dist.sh tar $small $directory/tar$round 2>&1};
        is($?, 0, 'make dist') or diag $said;
        my ($archive) = glob "$directory/tar$round/*.tar.gz";
        push @sums, sum_of($archive);
        like(qx{tar -tzf $archive}, qr{^[^/]+/THIRD-PARTY-NOTICES$}m, 'with the notices of the crates') if $round == 1;
    }
    is($sums[0], $sums[1], 'the same bytes again');
    local $ENV{GLIBC} = '2.2';
    like(qx{MAKE_TARGET=dist sh packaging/dist.sh tar $small $directory/old 2>&1}, qr/would not run on a host with 2\.2.*GLIBC=\S+ make dist/s, 'for a host that is too old');
    ok(!-e "$directory/old", 'and leaves nothing');
}

done_testing;
