# Objects that stand for state in the broker: whose they are, and how they go.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib", "$FindBin::Bin/../compat";
use Carp ();
use File::Find ();
use File::Temp ();
use POSIX ();
use Test::More;
use CPANBridge;
use CPANBridge::Handle;
use CPANBridge::HTTP::Settings;
use Crypt::CBC;
use OnlyRuntime;
use TestBroker;

my $top = TestBroker::top();
my $broker = TestBroker->start;
$ENV{CPAN_BRIDGE_SOCKET} = $broker->socket_path;
my $watch = CPANBridge->new(socket => $broker->socket_path, persistent => 0);
sub count_of { my ($kind) = @_; return $watch->call('system.metrics')->{handle_summary}{$kind} || 0 }
sub comes_to { my ($kind, $count, $what) = @_; return ok(TestBroker::eventually(sub { count_of($kind) == $count }), $what) || diag count_of($kind) }

sub cipher { return Crypt::CBC->new(-key => 'k' x 32, -literal_key => 1, -header => 'none', -iv => 'i' x 16, -cipher => 'Cipher::AES') }
my $whole = cipher()->encrypt('x' x 100);

# What a child gives as a text.
sub child {
    my ($work) = @_;
    pipe my $read, my $write or die;
    my $pid = fork;
    die if !defined $pid;
    if (!$pid) {
        close $read;
        my $said = eval { $work->() };
        syswrite $write, defined $said ? $said : "died: $@";
        close $write;
        # With everything that an end brings.
        Test::More->builder->no_ending(1);
        exit 0;
    }
    close $write;
    my $said = do { local $/; readline $read };
    waitpid $pid, 0;
    return $said;
}

{
    my $cipher = cipher();
    $cipher->start('encrypting');
    my $made = $cipher->crypt('x' x 50);
    is(child(sub { 'nothing' }), 'nothing', 'a child that only ends');
    is(count_of('chain'), 1, 'frees nothing of its parent\'s');
    my $line = __LINE__ + 1;
    like(child(sub { $cipher->crypt('y' x 50) }), qr/\Adied: .*belongs to the process or thread that made it.* at \Q${\ __FILE__}\E line $line\.?\n\z/,
        'one that goes on with the parent\'s chain is told, at its line');
    like(child(sub { $cipher->crypt('y' x 900_000) }), qr/\Adied: .*belongs to the process/, 'also with a long text');
    like(child(sub { $cipher->finish . 'finished' }), qr/\Adied: .*belongs to the process/, 'and with the last of it');
    is(child(sub { undef $cipher; 'gone' }), 'gone', 'or lets its copy go');
    is(child(sub {
        $cipher->start('encrypting');
        my $all = $cipher->crypt('x' x 50) . $cipher->crypt('x' x 50) . $cipher->finish;
        return $all eq $whole ? 'same' : 'different';
    }), 'same', 'it may begin anew');
    $made .= $cipher->crypt('x' x 50) . $cipher->finish;
    is($made, $whole, 'and nothing of it changes what the parent makes');
    comes_to('chain', 0, 'at the end nothing is left');
}

{
    my $settings = CPANBridge::HTTP::Settings->new;
    my $id = $settings->session;
    is($settings->session, $id, 'a session is kept');
    is(child(sub { $settings->session eq $id ? 'the same' : 'another' }), 'another', 'a child has one of its own');
    comes_to('http session', 1, 'which goes with it');
    is($settings->session, $id, 'and the parent has its own still');
    $settings->forget;
    comes_to('http session', 0, 'one that is forgotten goes');
}

sub handle {
    my ($bridge) = @_;
    return CPANBridge::Handle->make($bridge, 'crypto.chain_new', {
        cipher => 'AES', chain_mode => 'cbc', direction => 'encrypt', key => 'k' x 32, iv => 'i' x 16,
    }, id => 'chain_id', free => 'crypto.chain_free');
}

{
    # Within a call nothing is sent; it is told later.
    my $bridge = CPANBridge->new;
    my $handle = handle($bridge);
    my $other = handle($bridge);
    is(length $handle->call('crypto.chain_next', { data => 'x' x 16 })->{data}, 16, 'a handle is used');
    my $ticket = $handle->send_call($bridge, 'crypto.chain_next', { data => 'x' x 16 });
    is(length $bridge->wait_for($ticket)->{data}, 16, 'also by a call that is waited for later');
    local $SIG{ALRM} = sub { undef $handle };
    require Time::HiRes;
    Time::HiRes::setitimer(Time::HiRes::ITIMER_REAL(), 0.05);
    ok($bridge->call('test.sleep', { seconds => 0.3 })->{slept}, 'a handle that goes while a call is under way does not disturb it');
    is($bridge->call('test.echo', { n => 1 })->{n}, 1, 'nor the next');
    undef $other;
    comes_to('chain', 0, 'and is freed with the next that goes');
    my $third = handle($bridge);
    $third->free;
    my $line = __LINE__ + 1;
    ok(!eval { $third->call('crypto.chain_next', { data => 'x' x 16 }); 1 }, 'one that was freed');
    like($@, qr/was freed already at \Q${\ __FILE__}\E line $line\.?$/, 'is told at the script\'s line');
    is_deeply([map { $bridge->call('test.echo', { n => $_ })->{n} } 1 .. 5], [1 .. 5], 'calls go on');
}

{
    # Everything of the caller stays as it was.
    my $bridge = CPANBridge->new;
    my $handle = handle($bridge);
    $@ = "an error\n";
    $! = 2;
    $? = 256;
    undef $handle;
    is_deeply([$@, $! + 0, $?], ["an error\n", 2, 256], 'a destructor leaves no trace');
    $? = 0;
}

# --- Without a broker
{
    my $runtime = File::Temp::tempdir(CLEANUP => 1);
    local $ENV{XDG_RUNTIME_DIR} = $runtime;
    local $ENV{CPAN_BRIDGE_SOCKET};
    delete $ENV{CPAN_BRIDGE_SOCKET};
    my @warnings;
    local $SIG{__WARN__} = sub { push @warnings, @_ };
    my $bridge = CPANBridge->new;
    my ($first, $second) = map { handle($bridge) } 1 .. 2;
    my $pid = $bridge->call('system.info')->{pid};
    kill 'KILL', $pid;
    # Its files are closed only when it is a zombie.
    ok(TestBroker::eventually(sub { !kill 0, $pid or TestBroker::state_of($pid) eq 'Z' }), 'the broker is gone');
    unlink "$runtime/cpan-bridge/broker.sock";
    undef $first;
    $bridge->disconnect;
    undef $second;
    ok(!-e "$runtime/cpan-bridge/broker.sock", 'a destructor starts no broker');
    is_deeply(\@warnings, [], 'nor warns');
    is($bridge->call('test.echo', { n => 1 })->{n}, 1, 'a call does');
    $bridge->call('system.shutdown');
}

# --- The end of the program
for my $end ('', 'exit 3', 'die "enough\n"', 'POSIX::_exit(0)', 'fork and wait or exit 0', 'undef $CPANBridge::Shared::x; $cipher->{self} = $cipher', 'our $late = $cipher', '$SIG{__DIE__} = sub { print STDERR "seen" }') {
    my $script = 'use POSIX (); use Crypt::CBC; our $global = Crypt::CBC->new(-key => "k" x 32, -literal_key => 1, -header => "none", -iv => "i" x 16, '
        . '-cipher => "Cipher::AES"); my $cipher = Crypt::CBC->new(-key => "x", -pbkdf => "pbkdf2"); $_->start("e"), $_->crypt("x" x 100) for $global, $cipher; ' . $end;
    local $ENV{SCRIPT} = $script;
    my $said = qx{$^X -w -I$top/perl/lib -I$top/perl/compat -e 'eval \$ENV{SCRIPT}; print STDERR \$\@ if \$\@ and \$\@ ne "enough\n"' 2>&1};
    is($said, '', "a script that ends says nothing: $end");
}
# What ended without its END blocks is freed when its time is over.
comes_to('chain', 2, 'and what it had is freed when it ends');

# --- Lines
{
    my $line;
    my $told = sub {
        my ($what, $work) = @_;
        ok(!eval { $work->(); 1 }, "$what fails");
        like("$@", qr/ at \Q${\ __FILE__}\E line $line\.?$/m, "$what: the script's line");
    };
    my $bridge = CPANBridge->new;
    for my $name (undef, '') {
        $line = __LINE__ + 1;
        $told->('call without a name', sub { $bridge->call($name) });
        $line = __LINE__ + 1;
        $told->('pipeline without a name', sub { $bridge->pipeline(['test.echo'], [$name]) });
        $line = __LINE__ + 1;
        $told->('notify without a name', sub { $bridge->notify($name) });
        $line = __LINE__ + 1;
        $told->('send_call without a name', sub { $bridge->send_call($name) });
    }
    $line = __LINE__ + 1;
    $told->('pipeline of texts', sub { $bridge->pipeline('test.echo') });
    is($bridge->call('test.echo', { n => 1 })->{n}, 1, 'after which calls are as ever');
    ok($bridge->is_connected, 'on the same connection');
    $line = __LINE__ + 1;
    $told->('new with an unknown argument', sub { CPANBridge->new(nonsense => 1) });
    $line = __LINE__ + 1;
    $told->('an error of the broker', sub { $bridge->call('test.echo', [1]) });
    $line = __LINE__ + 1;
    $told->('a ciphertext that is cut', sub { cipher()->decrypt('x' x 17) });
    $line = __LINE__ + 1;
    $told->('a wide character', sub { Crypt::CBC->new(-key => "\x{263a}" . 'k' x 31, -literal_key => 1, -header => 'none', -iv => 'i' x 16)->encrypt('x') });
    my $error = LWP::UserAgent::made_here();
    is($error->line, $LWP::UserAgent::line, 'an error that a stand-in meets is its caller\'s');
    my $quiet = qx{$^X -w -I$top/perl/lib -I$top/perl/compat -MCPANBridge::Error -e 'print exists \$INC{"Carp.pm"} ? "loaded" : "not loaded", \$Carp::Internal{"CPANBridge"}' 2>&1};
    is($quiet, 'not loaded1', 'Carp knows when it comes');
}
{
    package LWP::UserAgent;
    our $line;
    sub made { return CPANBridge::Error->new(code => 'failed', message => 'x') }
    package main;
    BEGIN { no warnings 'once'; *LWP::UserAgent::made_here = sub { $LWP::UserAgent::line = __LINE__; LWP::UserAgent::made() } }
}

# Every package of ours and of the stand-ins is known.
my @files;
File::Find::find({ no_chdir => 1, wanted => sub { push @files, $_ if /\.pm\z/ } }, "$top/perl/lib", "$top/perl/compat");
my %known = %CPANBridge::Error::OURS;
my @unknown;
for my $file (@files) {
    open my $in, '<', $file or die;
    my $code = do { local $/; readline $in };
    $code =~ s/^__END__.*//ms;
    push @unknown, grep { !$known{$_} || !$Carp::Internal{$_} } $code =~ /^package\s+(?:#[^\n]*\n\s*)?([\w:]+)/mg;
}
is_deeply(\@unknown, [], 'Carp and CPANBridge::Error know every package');

# What the broker before had is gone with it, and that is what is said.
{
    my $one = TestBroker->start;
    my $bridge = CPANBridge->new(socket => $one->socket_path);
    my @kind = ('crypto.chain_new', { cipher => 'aes', chain_mode => 'ecb', direction => 'encrypt', key => 'k' x 16 }, id => 'chain_id', free => 'crypto.chain_free');
    my $handle = CPANBridge::Handle->make($bridge, @kind);
    ok($handle->call('crypto.chain_next', { data => 'x' x 16 })->{data}, 'a handle');
    my $gone = CPANBridge::Handle->make($bridge, @kind);
    $bridge->call('crypto.chain_free', { chain_id => $gone->id });
    ok(!eval { $gone->call('crypto.chain_next', { data => 'x' x 16 }); 1 }, 'one that was freed');
    unlike($@, qr/started anew/, 'is just not there');
    $one->stop;
    $one->run;
    # As if it had been made some time ago: the clocks of both are compared with a second's grace.
    $handle->{made} -= 10;
    ok(!eval { $handle->call('crypto.chain_next', { data => 'x' x 16 }); 1 }, 'one of the broker before');
    is($@->code, 'not_found', 'is not found');
    like($@, qr/\(the broker was started anew at \d\d:\d\d, and what the one before kept is gone\).* at \S+handle\.t line/, 'and why');
}

done_testing;
