# The client talks to nobody but its own user's broker, root's, and those that were named: with two users, one of whom attacks.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Cwd ();
use File::Copy ();
use File::Temp ();
use POSIX ();
use Socket ();
use Test::More;
use CPANBridge;
use CPANBridge::Launcher;
use CPANBridge::Places;
use HostileBroker;
use TestBroker;

plan skip_all => 'needs root, to be other users' if $> != 0;

# Numbers that nobody has: nothing of theirs is anywhere.
my ($victim, $attacker) = (100_000 + $$, 2_200_000 + $$);
my $usual = "/tmp/cpan-bridge-$victim";
delete @ENV{qw(XDG_RUNTIME_DIR CPAN_BRIDGE_SOCKET CPAN_BRIDGE_USER)};

# The program where every user reaches it.
my $place = File::Temp::tempdir(CLEANUP => 1);
chmod 0755, $place;
File::Copy::copy($ENV{CPAN_BRIDGE_BIN}, "$place/cpan-bridge") or die $!;
chmod 0755, "$place/cpan-bridge";
$ENV{CPAN_BRIDGE_BIN} = "$place/cpan-bridge";
chdir '/';

sub become {
    my ($user) = @_;
    $( = $user;
    $) = "$user $user";
    $< = $user;
    $> = $user;
    die "no change of user: $!" if $> != $user;
    return;
}

# What some work gives as a user, in a process of its own.
sub as_user {
    my ($user, $work) = @_;
    my $outcome = HostileBroker::outcome_of(sub { become($user); return $work->() });
    ok($outcome, 'the work ends') or return;
    is($outcome->{died}, '', 'and nothing dies');
    is_deeply($outcome->{warnings}, [], 'nor warns');
    return @{ $outcome->{lines} };
}

# A directory of the attacker's with a socket that everybody may use. What is sent to it is written to a file that it keeps open, and a
# line for each who comes.
sub listen_as {
    my ($user) = @_;
    my $record = File::Temp->new;
    my $directory = "/tmp/who-listens-$$-" . int rand 1e9;
    pipe my $ready, my $tell or die;
    my $pid = fork;
    die if !defined $pid;
    if (!$pid) {
        become($user);
        mkdir $directory, 0755 or die;
        umask 0;
        socket my $listener, Socket::PF_UNIX(), Socket::SOCK_STREAM(), 0 or die;
        bind $listener, Socket::pack_sockaddr_un("$directory/broker.sock") or die;
        listen $listener, 100 or die;
        syswrite $tell, 'x';
        while (accept my $connection, $listener) {
            # Root looks at whatever sits in such places (cpan-bridge status): that is not the victim's doing. SO_PEERCRED, Linux's number.
            my (undef, $who) = unpack 'iI', getsockopt($connection, Socket::SOL_SOCKET(), 17) || '';
            next if !defined $who || $who != $victim;
            syswrite $record, "come\n";
            while (sysread $connection, my $bytes, 65_536) {
                syswrite $record, "told $bytes";
                my ($msgid) = $bytes =~ /\x95\x00\xce(....)/s or next;
                syswrite $connection, HostileBroker::frame("\x94\x01\xce$msgid\xc0\x81\xa9cipher_id\xa1x");
            }
        }
        POSIX::_exit(0);
    }
    close $tell;
    sysread $ready, my $byte, 1;
    return { pid => $pid, directory => $directory, record => $record };
}

sub record_of {
    my ($listener) = @_;
    open my $in, '<', $listener->{record}->filename or die;
    local $/;
    my $text = readline $in;
    return defined $text ? $text : '';
}

sub end_of {
    my ($listener) = @_;
    kill 'KILL', $listener->{pid};
    waitpid $listener->{pid}, 0;
    unlink map { "$_/broker.sock" } $listener->{directory}, $usual;
    rmdir $_ for $listener->{directory}, $usual;
    return;
}

# --- A2: a directory that comes and goes while the victim calls
{
    my $listener = listen_as($attacker);
    my $swapper = fork;
    die if !defined $swapper;
    if (!$swapper) {
        become($attacker);
        while (1) {
            rename $listener->{directory}, $usual;
            rename $usual, $listener->{directory};
        }
    }
    my ($tries, @odd) = as_user($victim, sub {
        my ($tries, %odd) = (0);
        my $bridge = CPANBridge->new(autostart => 0, persistent => 0, timeout => 5);
        for (1 .. 3000) {
            $tries++;
            my $result = eval { CPANBridge->new(autostart => 0, timeout => 5)->call('crypto.new', { key => 'SECRET' x 5, cipher => 'AES' }) };
            $odd{ $result ? 'an answer' : $@->code }++ if $result || $@->code ne 'connect';
            $result = eval { $bridge->call('crypto.new', { key => 'SECRET' x 5, cipher => 'AES' }) };
            $odd{ $result ? 'an answer' : $@->code }++ if $result || $@->code ne 'connect';
        }
        return ($tries, map { "$_: $odd{$_}" } sort keys %odd);
    });
    kill 'KILL', $swapper;
    waitpid $swapper, 0;
    is($tries, 3000, 'three thousand tries, twice each');
    is_deeply(\@odd, [], 'find no broker');
    my $record = record_of($listener);
    diag(($record =~ s/^come$/come/mg || 0) . ' connections reached the attacker');
    unlike($record, qr/told|SECRET/, 'and nothing was sent to who sat there');
    end_of($listener);
}

# --- A3: a directory that stays
{
    my $listener = listen_as($attacker);
    my $moved = fork;
    if (!$moved) {
        become($attacker);
        POSIX::_exit(rename($listener->{directory}, $usual) ? 0 : 1);
    }
    waitpid $moved, 0;
    is($?, 0, 'the usual place is taken');
    my ($said) = as_user($victim, sub { eval { CPANBridge->new(autostart => 0)->call('test.ping'); 'an answer' } || $@->message });
    like($said, qr{\Q$usual\E belongs to user $attacker: have it removed}, 'whose it is, and what to do');
    like($said, qr/autostart => 1/, 'and how to have a broker all the same');

    # Two scripts at once: one broker, in a directory of the user's own.
    my @children;
    for my $number (1 .. 2) {
        pipe my $read, my $write or die;
        my $pid = fork;
        die if !defined $pid;
        if (!$pid) {
            become($victim);
            my $info = eval { CPANBridge->new->call('system.info') };
            syswrite $write, $info ? "$info->{socket_path} $info->{pid}" : "failed: $@";
            POSIX::_exit(0);
        }
        close $write;
        push @children, [$pid, $read];
    }
    my %seen;
    for my $child (@children) {
        my ($pid, $read) = @$child;
        my $text = do { local $/; readline $read };
        waitpid $pid, 0;
        $seen{$text}++;
    }
    is_deeply([values %seen], [2], 'two scripts end with one broker') or diag explain \%seen;
    my ($path) = (keys %seen)[0] =~ /\A(\S+)/;
    like($path, qr{\A\Q$usual\E-[0-9a-f]{8}/broker\.sock\z}, 'in a directory that nobody could take');
    my ($directory) = $path =~ m{\A(.*)/};
    my ($mode, $owner) = (lstat $directory)[2, 4];
    is_deeply([$mode & 07777, $owner], [0700, $victim], 'which is the user\'s own');
    my (@sockets) = as_user($victim, sub { CPANBridge::Places::sockets() });
    ok((grep { $_ eq $path } @sockets), 'it is listed');
    is_deeply([as_user($victim, sub {
        my $bridge = CPANBridge->new(autostart => 0, persistent => 0);
        my @answers = map { $bridge->call('test.echo', { n => $_ })->{n} } 1 .. 3;
        $bridge->call('system.shutdown');
        return @answers;
    })], [1 .. 3], 'other scripts find it');
    unlike(record_of($listener), qr/told/, 'and who sat there heard nothing');
    TestBroker::eventually(sub { !-e $path });
    system 'rm', '-rf', $directory;

    # A directory like it that is not the user's own is not taken for one.
    mkdir "$usual-00000000" or die $!;
    chown $attacker, $attacker, "$usual-00000000";
    is_deeply([as_user($victim, sub { CPANBridge::Places::private_sockets() })], [], 'another\'s is none of ours');
    rmdir "$usual-00000000";
    end_of($listener);
}

# --- Many at once make one directory
{
    mkdir $usual or die $!;
    chown $attacker, $attacker, $usual;
    pipe my $go, my $start or die;
    my @children;
    for my $number (1 .. 20) {
        pipe my $read, my $write or die;
        my $pid = fork;
        if (!$pid) {
            become($victim);
            close $start;
            sysread $go, my $nothing, 1;
            my ($socket, $why) = CPANBridge::Launcher::own_socket();
            syswrite $write, "$socket ($why)";
            POSIX::_exit(0);
        }
        close $write;
        push @children, [$pid, $read];
    }
    close $start;
    my %seen;
    for my $child (@children) {
        my ($pid, $read) = @$child;
        $seen{ do { local $/; readline $read } }++;
        waitpid $pid, 0;
    }
    is_deeply([values %seen], [20], 'twenty processes find or make one place') or diag explain \%seen;
    like((keys %seen)[0], qr/belongs to user $attacker/, 'and know why');
    my @left = glob "$usual-*";
    is(@left, 1, 'one directory is left');
    rmdir $_ for @left, $usual;
    my ($socket, $why) = as_user($victim, sub { CPANBridge::Launcher::own_socket() });
    is($socket, "$usual/broker.sock", 'where nobody sits the usual place is taken');
    is($why, undef, 'without a word');
    my ($distrust) = as_user($victim, sub { CPANBridge::Places::distrust("$usual/broker.sock") });
    like($distrust, qr/is not there/, 'what is not there is not trusted');
}

# --- One user, one broker, however a script was started
{
    my $login = "/run/user/$victim";
    my $is_made = mkdir '/run/user';
    mkdir $login, 0700 or die $!;
    chown $victim, $victim, $login;
    my $pid_of = sub {
        my ($runtime) = @_;
        local %ENV = %ENV;
        $ENV{XDG_RUNTIME_DIR} = $runtime if defined $runtime;
        return as_user($victim, sub { my $info = CPANBridge->new(persistent => 0)->call('system.info'); return @{$info}{qw(pid socket_path)} });
    };
    my ($pid, $path) = $pid_of->($login);
    is($path, "$usual/broker.sock", 'a broker that a login starts is where it stays when the login ends');
    my $theirs = File::Temp::tempdir(CLEANUP => 1);
    for ([undef, 'a job of cron'], [$theirs, 'su, with another\'s XDG_RUNTIME_DIR'], ["$theirs/none", 'one with a directory that is not there'],
        ['run', 'one with a relative path'], ["$login/", 'another login']) {
        my ($runtime, $who) = @$_;
        is(($pid_of->($runtime))[0], $pid, "$who finds it");
    }
    as_user($victim, sub { CPANBridge->new->call('system.shutdown') });
    TestBroker::eventually(sub { !-e $path });

    # One that a unit of the user's has in the login's directory.
    as_user($victim, sub { mkdir "$login/cpan-bridge", 0700; return system "$place/cpan-bridge", 'serve', '--daemonize', '--socket', "$login/cpan-bridge/broker.sock" });
    ($pid, $path) = $pid_of->(undef);
    is($path, "$login/cpan-bridge/broker.sock", 'a job of cron finds the broker of the user\'s own unit');
    as_user($victim, sub { CPANBridge->new->call('system.shutdown') });
    TestBroker::eventually(sub { !-e $path });
    system 'rm', '-rf', $login, $usual;
    rmdir '/run/user' if $is_made;

    my ($runtime, $why) = as_user($victim, sub { local $ENV{XDG_RUNTIME_DIR} = $theirs; CPANBridge::Launcher::own_socket() });
    is($runtime, "$usual/broker.sock", 'another user\'s directory is not where a broker is started');
    is($why, "XDG_RUNTIME_DIR ($theirs) belongs to user root", 'which is told');
}

# --- A16: a socket that was named
{
    my $listener = listen_as($attacker);
    my $path = "$listener->{directory}/broker.sock";
    my $ask = sub {
        my (%arguments) = @_;
        return as_user($victim, sub {
            map {
                my $bridge = CPANBridge->new(socket => $path, timeout => 5, persistent => $_, %arguments);
                eval { $bridge->call('crypto.new', { key => 'SECRET', cipher => 'AES' })->{cipher_id} } || $@->code . ': ' . $@->message;
            } 0, 1;
        });
    };
    for my $said ($ask->(), $ask->(broker_user => 'root,daemon'), $ask->(broker_user => 'nosuchuser'), $ask->(autostart => 1)) {
        like($said, qr/\Aconnect: .*\Q$path\E.*user $attacker/, 'another user\'s broker is refused');
    }
    my ($said) = $ask->();
    like($said, qr/broker_user => '$attacker', or CPAN_BRIDGE_USER=$attacker/, 'with what to do if it is the right one');
    ($said) = $ask->(broker_user => 'nosuchuser');
    like($said, qr/there is no user nosuchuser here/, 'and what is wrong with a name');
    unlike(record_of($listener), qr/told/, 'nothing was sent');
    is_deeply([$ask->(broker_user => $attacker)], ['x', 'x'], 'unless it was named');
    is_deeply([$ask->(broker_user => "daemon, $attacker")], ['x', 'x'], 'among others');
    {
        local $ENV{CPAN_BRIDGE_USER} = $attacker;
        is_deeply([$ask->()], ['x', 'x'], 'or by the environment');
    }
    end_of($listener);
}

# --- One that takes the place of a broker that a script knows, on the short way
for my $persistent (1, 0) {
    my $listener = listen_as($attacker);
    my $broker = TestBroker->start('--allow-user', $victim, '--socket-mode', '0666');
    chmod 0755, $broker->{directory};
    my ($hear, $tell, $listen, $go);
    pipe $hear, $tell or die;
    pipe $listen, $go or die;
    my $exchanger = fork;
    if (!$exchanger) {
        sysread $hear, my $byte, 1;
        rename "$listener->{directory}/broker.sock", $broker->socket_path or die $!;
        syswrite $go, 'x';
        sleep 60;
        POSIX::_exit(0);
    }
    my (@said) = as_user($victim, sub {
        my $bridge = CPANBridge->new(socket => $broker->socket_path, timeout => 5, persistent => $persistent, retry_count => 0);
        my @said = map { $bridge->call('test.echo', { n => $_ })->{n} } 1 .. 3;
        syswrite $tell, 'x';
        sysread $listen, my $byte, 1;
        $bridge->disconnect if $persistent;
        push @said, eval { $bridge->call('test.echo', { secret => 'SECRET' }); 'an answer' } || $@->code;
        return @said;
    });
    kill 'KILL', $exchanger;
    waitpid $exchanger, 0;
    is_deeply(\@said, [1, 2, 3, 'connect'], 'a broker of root is had, who took its place is not');
    unlike(record_of($listener), qr/told/, 'and hears nothing');
    end_of($listener);
}

# --- The host's own service: the owner of its directory, which only root could put there
{
    no warnings 'redefine';
    my $locator = {};
    local *CPANBridge::Places::system_owner = sub { return $attacker };
    ok(CPANBridge::Places::accepts($locator, '/run/cpan-bridge/broker.sock', $attacker), 'the owner of its directory is accepted on its socket');
    ok(!CPANBridge::Places::accepts($locator, '/run/cpan-bridge/broker.sock', $victim), 'and nobody else');
    ok(!CPANBridge::Places::accepts($locator, '/tmp/broker.sock', $attacker), 'nor is he elsewhere');
}
SKIP: {
    skip 'there is a service on this host', 3 if -e '/run/cpan-bridge' || (lstat '/run')[4] != 0 || (lstat '/run')[2] & 022;
    is(CPANBridge::Places::system_owner(), undef, 'no service');
    mkdir '/run/cpan-bridge', 0755 or die $!;
    chown $attacker, -1, '/run/cpan-bridge';
    is(CPANBridge::Places::system_owner(), $attacker, 'its directory\'s owner');
    is(CPANBridge::Places::distrust('/run/cpan-bridge/broker.sock'), undef, 'is trusted there');
    rmdir '/run/cpan-bridge';
}

# --- A21: a program in a directory of another user
{
    my $bin = File::Temp::tempdir(CLEANUP => 1);
    chmod 0755, $bin;
    open my $out, '>', "$bin/cpan-bridge" or die;
    print {$out} "#!/bin/sh\necho mine\n";
    close $out;
    chmod 0755, "$bin/cpan-bridge";
    my $found = sub {
        local $ENV{PATH} = "$bin:/usr/bin:/bin";
        local $ENV{CPAN_BRIDGE_BIN};
        delete $ENV{CPAN_BRIDGE_BIN};
        my $own = TestBroker::own_modules();
        my $program = qx{$^X -T $own -I$FindBin::Bin/../lib -MCPANBridge::Launcher -e 'print CPANBridge::Launcher::program() || q()'};
        return $program;
    };
    is($found->(), "$bin/cpan-bridge", 'under -T a program in a directory of one\'s own is found');
    chown $attacker, -1, $bin;
    isnt($found->(), "$bin/cpan-bridge", 'one in another user\'s is not');
    chown 0, -1, $bin;
    chmod 0775, $bin;
    isnt($found->(), "$bin/cpan-bridge", 'nor one in a directory that others can write');
}

done_testing;
