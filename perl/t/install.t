# What is installed works from where it is installed, and is gone when it is removed.
use strict;
use warnings;
use lib 'perl/t/lib', 'perl/lib';
use Test::More;
use File::Find ();
use File::Temp ();
use TestBroker;

my $stage = File::Temp::tempdir(CLEANUP => 1);
my $top = TestBroker::top();
my $program = TestBroker::binary();
my @make = ('make', '-s', "DESTDIR=$stage", 'PREFIX=/opt/bridge', "RELEASE=$program");

sub files {
    my %files;
    File::Find::find({ no_chdir => 1, wanted => sub { $files{substr $_, length $stage} = 1 if !-d } }, $stage);
    return \%files;
}

sub installed { return join ' ', "$stage/opt/bridge", @_ }

is(system(@make, 'install'), 0, 'make install');
my $files = files();
my $lib = '/opt/bridge/share/perl5';
ok($files->{$_}, $_) for map({ "/opt/bridge/$_" } qw(
    bin/cpan-bridge
    share/man/man1/cpan-bridge.1 share/man/man1/cpan-bridge-serve.1 share/man/man1/cpan-bridge-reload.1
    share/man/man3/CPANBridge.3 share/man/man3/CPANBridge::HTTP.3 share/man/man5/cpan-bridge.toml.5 share/man/man7/cpan-bridge.7
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
    is(`cpan-bridge stop`, "Stopped\n", 'stop');
    waitpid $pid, 0;
}
chdir $top or die $!;

open my $changed, '>>', "$stage/etc/cpan-bridge.toml" or die $!;
print $changed "# mine\n";
close $changed;
is(system(@make, 'install'), 0, 'installed again, over itself');
is(system(@make, 'uninstall'), 0, 'make uninstall');
is_deeply(files(), { '/etc/cpan-bridge.toml' => 1 }, 'nothing is left but settings that were changed');
ok(!-e "$stage/opt", 'no empty directory either');
unlink "$stage/etc/cpan-bridge.toml";
system @make, 'install';
is(system(@make, 'uninstall'), 0, 'and once more');
opendir my $left, $stage or die $!;
is_deeply([grep { !/^\.\.?$/ } readdir $left], [], 'nothing at all is left');

done_testing;
