# What is installed works from where it is installed, and is gone when it is removed.
use strict;
use warnings;
use lib 'perl/t/lib', 'perl/lib';
use Test::More;
use File::Find ();
use File::Path ();
use File::Temp ();
use TestBroker;

my $stage = File::Temp::tempdir(CLEANUP => 1);
my $top = TestBroker::top();
my $program = TestBroker::binary();
my @make = ('make', '-s', "DESTDIR=$stage", 'PREFIX=/opt/bridge', "RELEASE=$program");

# Nothing of this host is touched, as when a package manager installs for another root: no user, no unit.
local $ENV{DPKG_ROOT} = '/nonexistent';

# Runs a command and gives its status; what it says is in $said.
my $said;

sub run {
    my (@command) = @_;
    open my $output, '-|', 'sh', '-c', 'exec "$@" 2>&1', 'sh', @command or die $!;
    local $/;
    $said = <$output>;
    close $output;
    diag $said if $?;
    return $?;
}

sub files {
    my %files;
    File::Find::find({ no_chdir => 1, wanted => sub { $files{substr $_, length $stage} = 1 if !-d } }, $stage);
    return \%files;
}

sub installed { return join ' ', "$stage/opt/bridge", @_ }

is(run(@make, 'install'), 0, 'make install');
my $files = files();
my $lib = '/opt/bridge/share/perl5';
ok($files->{$_}, $_) for map({ "/opt/bridge/$_" } qw(
    bin/cpan-bridge
    share/man/man1/cpan-bridge.1 share/man/man1/cpan-bridge-serve.1 share/man/man1/cpan-bridge-reload.1
    share/man/man3/CPANBridge.3 share/man/man3/Crypt::CBC.3cpanbridge share/man/man3/CPANBridge::HTTP.3 share/man/man5/cpan-bridge.toml.5 share/man/man7/cpan-bridge.7
    share/bash-completion/completions/cpan-bridge share/cpan-bridge/prometheus/alerts.yml share/zsh/site-functions/_cpan-bridge share/fish/vendor_completions.d/cpan-bridge.fish
    lib/systemd/system/cpan-bridge.service lib/systemd/user/cpan-bridge.socket lib/sysusers.d/cpan-bridge.conf
    lib/tmpfiles.d/cpan-bridge.conf share/doc/cpan-bridge/README.md share/doc/cpan-bridge/examples/reencrypt.pl
)), "$lib/CPANBridge.pm", "$lib/CPANBridge/HTTP/Exchange.pm", "$lib/CPANBridge/compat/LWP/UserAgent.pm", '/etc/cpan-bridge.toml', '/etc/logrotate.d/cpan-bridge';
is((stat "$stage/opt/bridge/bin/cpan-bridge")[2] & 07777, 0711, 'the program can be executed and not read');
my $unit = do { local (@ARGV, $/) = "$stage/opt/bridge/lib/systemd/system/cpan-bridge.service"; <> };
like($unit, qr{^ExecStart=/opt/bridge/bin/cpan-bridge serve}m, 'the units name the program where it is');
my $settings = do { local (@ARGV, $/) = "$stage/opt/bridge/share/man/man5/cpan-bridge.toml.5"; <> };
like($settings, qr/reload_grace.*60s/s, 'the settings have a manual page');

# As a user has it: PATH and PERL5LIB, nothing of the checkout.
my $run = File::Temp::tempdir(CLEANUP => 1);
$ENV{PERL5LIB} = '' if !defined $ENV{PERL5LIB};
{
    local $ENV{PATH} = "$stage/opt/bridge/bin:$ENV{PATH}";
    local $ENV{PERL5LIB} = "$stage$lib";
    local $ENV{CPAN_BRIDGE_SOCKET} = "$run/broker.sock";
    local $ENV{CPAN_BRIDGE_BIN};
    delete $ENV{CPAN_BRIDGE_BIN};
    my $pid = fork;
    die $! if !defined $pid;
    if (!$pid) {
        open STDERR, '>', '/dev/null' or die $!;
        exec 'cpan-bridge', 'serve', '--config', "$stage/etc/cpan-bridge.toml", '--allow-group=';
        die $!;
    }
    ok(TestBroker::eventually(sub { -S "$run/broker.sock" }), 'the installed broker starts');
    chdir $run or die $!;
    is(`$^X -MCPANBridge -e 'print CPANBridge->new->call("test.ping")->{message}'`, 'pong', 'the installed client calls it');
    is(`$^X -MCPANBridge::Compat -MLWP::UserAgent -e 'print \$INC{"LWP/UserAgent.pm"}'`, "$stage$lib/CPANBridge/compat/LWP/UserAgent.pm", 'the stand-ins are found');
    like(`cpan-bridge status`, qr/^healthy/, 'status');
    like(`cpan-bridge stop`, qr{\AStopped\n}, 'stop');
    waitpid $pid, 0;
}
chdir $top or die $!;

open my $changed, '>>', "$stage/etc/cpan-bridge.toml" or die $!;
print $changed "# mine\n";
close $changed;
is(run(@make, 'install'), 0, 'installed again, over itself');
is(run(@make, 'uninstall'), 0, 'make uninstall');
is_deeply(files(), { '/etc/cpan-bridge.toml' => 1 }, 'nothing is left but settings that were changed');
ok(!-e "$stage/opt", 'no empty directory either');
unlink "$stage/etc/cpan-bridge.toml" or die $!;

# What follows is about files, not about the program: a small one that does what the real one says installs faster.
my $small = "$run/program";
write_file($small, "#!/bin/sh\nexec '$program' \"\$\@\"\n");
chmod 0755, $small;

sub write_file {
    my ($path, $text) = @_;
    open my $file, '>', $path or die "$path: $!";
    print $file $text;
    close $file or die $!;
    return;
}

sub text_of { my ($path) = @_; return do { local (@ARGV, $/) = $path; <> } }

# Installs or removes; (prefix, sysconfdir, the tree it is done from).
sub act {
    my ($action, $prefix, $sysconfdir, $tree) = @_;
    return run('sh', ($tree || $top) . '/packaging/install.sh', $action, $small, '', $prefix, "$prefix/bin", "$prefix/share/man",
        "$prefix/share/perl5", $sysconfdir);
}

# What was there keeps its mode, and is there afterwards; places may have blanks and what sed and systemd take for their own.
{
    my $odd = File::Temp::tempdir(CLEANUP => 1) . q{/a place & more's};
    mkdir $odd or die $!;
    symlink $top, "$odd/tree" or die $!;
    mkdir "$odd/tmp" or die $!;
    local $ENV{TMPDIR} = "$odd/tmp";
    mkdir "$odd/bin" or die $!;
    chmod 02775, "$odd/bin";
    chmod 0700, $odd;
    is(act('install', $odd, "$odd/etc", "$odd/tree"), 0, 'below a path with blanks');
    is((stat $odd)[2] & 07777, 0700, 'the mode of a directory that was there');
    is((stat "$odd/bin")[2] & 07777, 02775, 'and of another');
    my ($start) = text_of("$odd/lib/systemd/system/cpan-bridge.service") =~ /^ExecStart=(.*)/m;
    is($start, qq{"$odd/bin/cpan-bridge" serve --config "$odd/etc/cpan-bridge.toml"}, 'the unit quotes the path, and names the settings where they are');
    like(text_of("$odd/share/man/man7/cpan-bridge.7"), qr{^\.I \Q$odd\E/etc/cpan-bridge\.toml$}m, 'so does the manual');
    ok(-e "$odd/share/man/man3/CPANBridge::HTTP.3", 'pages of the client');

    # The configuration of logrotate is the admin's as the settings are.
    write_file("$odd/etc/logrotate.d/cpan-bridge", "# mine\n");
    is(act('install', $odd, "$odd/etc"), 0, 'again');
    is(text_of("$odd/etc/logrotate.d/cpan-bridge"), "# mine\n", 'what was changed stays');
    like($said, qr{logrotate\.d/cpan-bridge is not what was installed before, and stays}, 'and that is said');
    # An earlier version's, as it was put there, is replaced.
    my $record = "$odd/share/cpan-bridge/installed";
    write_file("$odd/etc/cpan-bridge.toml", "# of an earlier version\n");
    chomp(my $sum = qx{cksum <"$odd/etc/cpan-bridge.toml"});
    $sum =~ tr/ /-/;
    open my $more, '>>', $record or die $!;
    print $more "settings\t$sum\t$odd/etc/cpan-bridge.toml\n";
    close $more;
    is(act('install', $odd, "$odd/etc"), 0, 'and again');
    like(text_of("$odd/etc/cpan-bridge.toml"), qr/allow_group/, 'what was not changed is replaced');
    is(act('uninstall', $odd, "$odd/etc"), 0, 'removed');
    my %left;
    File::Find::find({ no_chdir => 1, wanted => sub { $left{ substr $_, length $odd } = 1 } }, $odd);
    is_deeply([sort keys %left], ['', qw(/bin /etc /etc/logrotate.d /etc/logrotate.d/cpan-bridge /tmp /tree)],
        'but for what was there before and what was changed');
}

# A user's own installation: what his systemd reads, and nothing that is the host's.
{
    my $home = File::Temp::tempdir(CLEANUP => 1);
    local $ENV{HOME} = $home;
    local %ENV = %ENV;
    delete @ENV{qw(XDG_DATA_HOME XDG_CONFIG_HOME XDG_RUNTIME_DIR)};
    mkdir "$home/.config", 0700 or die $!;
    is(act('install', "$home/.local", "$home/.config"), 0, 'below HOME');
    ok(-e "$home/.local/share/systemd/user/cpan-bridge.socket", 'the unit is where systemctl --user looks');
    ok(-e "$home/.local/share/man/man1/cpan-bridge.1", 'and the manual where man looks');
    my @of_the_host = grep { -e "$home/$_" } qw(.local/lib .config/cpan-bridge.toml .config/logrotate.d .local/share/cpan-bridge/prometheus);
    is_deeply(\@of_the_host, [], 'nothing of the host');
    my $wanted = "$home/.config/systemd/user/sockets.target.wants";
    File::Path::mkpath($wanted);
    symlink "$home/.local/share/systemd/user/cpan-bridge.socket", "$wanted/cpan-bridge.socket" or die $!;
    is(act('uninstall', "$home/.local", "$home/.config"), 0, 'removed');
    ok(!-e "$home/.local" && !-l "$wanted/cpan-bridge.socket", 'with the link of a socket that was enabled');
    is((stat "$home/.config")[2] & 07777, 0700, 'what was there is as it was');
}

# The archive's own script.
{
    my $tree = File::Temp::tempdir(CLEANUP => 1);
    system 'cp', '-R', map({ "$top/$_" } qw(packaging perl docs examples README.md CHANGELOG.md)), $tree;
    system 'cp', "$top/packaging/setup", $small, $tree;
    rename "$tree/program", "$tree/cpan-bridge" or die $!;
    like(qx{sh $tree/setup --help}, qr/setup install .*PERL_LIBDIR/s, '--help');
    isnt(system("sh $tree/setup >/dev/null 2>&1"), 0, 'no command');
    my $home = File::Temp::tempdir(CLEANUP => 1);
    local $ENV{HOME} = $home;
    local $ENV{PREFIX} = "$home/.local";
    local $ENV{PERL5LIB} = "$home/.local/share/perl5:$ENV{PERL5LIB}";
    {
        local $ENV{PATH} = "$home/.local/bin:$ENV{PATH}";
        like(qx{sh $tree/setup install 2>&1}, qr/\AInstalled: [^\n]*\n\z/, 'where shell and perl look only where it is is said');
    }
    like(qx{sh $tree/setup install 2>&1}, qr{export PATH='\Q$home\E/\.local/bin':"\$PATH"}, 'where the shell does not look, how it does');
    $ENV{PERL5LIB} = "$top/perl/lib";
    like(qx{sh $tree/setup install 2>&1}, qr{PERL5LIB='\Q$home\E/.local/share/perl5'}, 'elsewhere it is');

    # Who forgets where it was put is told, and so is who could not have put it there.
    {
        local $ENV{PREFIX} = "$home/elsewhere";
        isnt(run("$tree/setup", 'uninstall'), 0, 'nothing is there to be removed');
        like($said, qr{\Q$home\E/elsewhere/bin has no cpan-bridge.*PREFIX=\Q$home\E/\.local}s, 'where it is is said');
    }
    # A variable that is forgotten is no reason to leave half of it behind.
    is(run('env', "PERL_LIBDIR=$home/.local/own", "$tree/setup", 'install'), 0, 'a place of its own for the client');
    my $broker = TestBroker->start;
    is(run("$tree/setup", 'uninstall'), 0, 'uninstall');
    like($said, qr/These brokers go on, with the keys that they hold;.*\Q${\$broker->socket_path}\E/s, 'brokers that run on are told');
    ok(!-e "$home/.local", 'and nothing else is left');

    my $closed = File::Temp::tempdir(CLEANUP => 1);
    chmod 0755, $tree, $home or die $!;
    mkdir "$closed/etc", 0555 or die $!;
    chmod 0555, $closed or die $!;
    my @as_nobody = ($^X, '-e', 'if (!$>) { $) = $( = 65534; $> = 65534; $< = 65534 } exec @ARGV', 'env', "HOME=$home");
    isnt(run(@as_nobody, "PREFIX=$closed/own", "SYSCONFDIR=$closed/etc", "$tree/setup", 'install'), 0, 'a place that is not to be written');
    like($said, qr{can't be written: \Q$closed\E is not yours to write\. Nothing was installed\..*PREFIX="\$HOME/\.local"}s, 'what to do is said');
    my $open = File::Temp::tempdir(CLEANUP => 1);
    chmod 0777, $open or die $!;
    local $ENV{XDG_DATA_HOME} = "$open/data";
    is(run(@as_nobody, "PREFIX=$open/own", "SYSCONFDIR=$closed/etc", "$tree/setup", 'install'), 0, 'one that is, without the host\'s settings');
    ok(-x "$open/own/bin/cpan-bridge" && -e "$open/data/systemd/user/cpan-bridge.service", 'program and units of the user');
    is(run(@as_nobody, "PREFIX=$open/own", "SYSCONFDIR=$closed/etc", "$tree/setup", 'uninstall'), 0, 'uninstall');
    is_deeply([glob "$open/*"], [], 'nothing is left');
}

# --- What goes wrong half-way

# An installation that is broken off can be taken back whole, and so can one where something stands in the way.
{
    my $own = File::Temp::tempdir(CLEANUP => 1);
    my @half = ('make', '-s', "DESTDIR=$own", 'PREFIX=/opt/half', "RELEASE=$program");
    # A copy of `install` that gives up after some files.
    my $tools = File::Temp::tempdir(CLEANUP => 1);
    open my $tool, '>', "$tools/install" or die $!;
    print {$tool} "#!/bin/sh\necho >>'$tools/count'\n[ \$(wc -l <'$tools/count') -lt 40 ] || exit 1\nexec /usr/bin/install \"\$\@\"\n";
    close $tool;
    chmod 0755, "$tools/install";
    {
        local $ENV{PATH} = "$tools:$ENV{PATH}";
        isnt(run(@half, 'install'), 0, 'an installation that is broken off');
    }
    ok(-e "$own/opt/half/bin/cpan-bridge", 'leaves something');
    is(run(@half, 'uninstall'), 0, 'and can be taken back');
    my @left;
    File::Find::find(sub { push @left, $File::Find::name if $File::Find::name ne $own }, $own);
    is_deeply(\@left, [], 'whole');

    File::Path::mkpath("$own/opt/half/share/perl5/CPANBridge.pm");
    isnt(run(@half, 'install'), 0, 'a directory where a file belongs');
    like($said, qr{CPANBridge\.pm is a directory, where a file belongs\. Nothing was installed}, 'is told');
    ok(!-e "$own/opt/half/bin", 'and nothing was');
    rmdir "$own/opt/half/share/perl5/CPANBridge.pm";

    mkdir "$own/etc";
    symlink '/nonexistent/settings', "$own/etc/cpan-bridge.toml";
    is(run(@half, 'install'), 0, 'a link of an admin in the place of the settings');
    is(run(@half, 'uninstall'), 0, 'outlives both');
    is(readlink "$own/etc/cpan-bridge.toml", '/nonexistent/settings', 'as it was');

    is(run('make', '-s', "DESTDIR=$own/not/there/yet", 'PREFIX=/opt/half', "RELEASE=$program", 'install'), 0, 'into a place that is not there yet');
    ok(-x "$own/not/there/yet/opt/half/bin/cpan-bridge", 'which is made');

    isnt(run('make', '-s', 'PREFIX=relative', "RELEASE=$program", 'install'), 0, 'a relative place');
    like($said, qr/'relative' is no absolute path/, 'is refused');
}

done_testing;
