#!perl -T
# Under taint checks.
use strict;
use warnings;
BEGIN {
    $ENV{PATH} = '/usr/bin:/bin';
    delete @ENV{qw(IFS CDPATH ENV BASH_ENV)};
    # prove's -I does not reach a tainted perl.
    my ($top) = __FILE__ =~ m{\A(.*?)/?perl/t/taint\.t\z};
    $top = '.' if $top eq '';
    unshift @INC, "$top/perl/lib", "$top/perl/compat";
}
use Test::More;
use CPANBridge;

# TestBroker finds it for the other tests, but is not made for tainted perls.
my $built = defined $ENV{CARGO_TARGET_DIR} ? $ENV{CARGO_TARGET_DIR} : './target';
my ($binary) = grep { defined && -x } $ENV{CPAN_BRIDGE_BIN}, "$built/debug/cpan-bridge", "$built/release/cpan-bridge";
die "no cpan-bridge binary: run make build, or set CPAN_BRIDGE_BIN\n" if !defined $binary;
$ENV{CPAN_BRIDGE_BIN} = $binary;
ok(${^TAINT}, 'taint checks are on');

my ($directory) = ("/tmp/cpan-bridge-taint-$$") =~ /\A(.*)\z/;
mkdir $directory, 0700 or die "$directory: $!";
delete @ENV{grep { /\ACPAN_BRIDGE_/ && $_ ne 'CPAN_BRIDGE_BIN' } keys %ENV};

# A tainted name of the socket, and of the program: both from the environment.
$ENV{CPAN_BRIDGE_SOCKET} = "$directory/broker.sock" . substr $^X, 0, 0;
my $bridge = CPANBridge->new(autostart => 1);
is($bridge->call('test.ping')->{message}, 'pong', 'a broker is started and answers');
my $tainted = substr($^X, 0, 0) . 'tainted';
is($bridge->call('test.echo', { a => $tainted })->{a}, 'tainted', 'tainted parameters are data');
{
    local $CPANBridge::DAEMON_MODE = 0;
    is($bridge->call_python('test', 'echo', { a => 1 })->{a}, 1, 'oneshot');
}
require Crypt::CBC;
my $cbc = Crypt::CBC->new(-key => 'secret', -cipher => 'Blowfish', -pbkdf => 'pbkdf2');
is($cbc->decrypt($cbc->encrypt($tainted)), 'tainted', 'Crypt::CBC takes a tainted text');
my $refused = Crypt::CBC->new(-literal_key => 1, -key => substr($^X, 0, 0) . 'k' x 56, -cipher => 'Blowfish', -iv => 'initvect', -header => 'none');
ok(!eval { $refused->encrypt('x'); 1 }, 'but no tainted key');
like($@, qr/Taint checks are turned on and your key is tainted/, 'in the words of the original');
undef $cbc;
$bridge->call('system.shutdown');
my $waits = 0;
while (-e "$directory/broker.sock" && $waits++ < 500) { select undef, undef, undef, 0.01 }
# Its log stays where a broker was.
unlink "$directory/broker.log";
$waits = 0;
while (!rmdir $directory and $waits++ < 500) { select undef, undef, undef, 0.01 }
ok(!-e $directory, 'nothing is left behind');

done_testing;
