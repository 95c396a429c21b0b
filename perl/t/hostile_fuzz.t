# A broker that answers at random: valid answers with bytes changed, cut, doubled or put in, and random MessagePack. Each call ends with a
# result or an error that can be used, without a warning, in little memory. RANDOM_SEED runs a round again.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use CPANBridge;
use CPANBridge::Envelope;
use HostileBroker;
use TestBroker;

my $seed = defined $ENV{RANDOM_SEED} ? $ENV{RANDOM_SEED} : (time ^ $$) & 0x7fff_ffff;
diag "RANDOM_SEED=$seed";
my $rounds = $ENV{FUZZ_ROUNDS} || 4_000;

sub packed { return CPANBridge::MessagePack->pack($_[0]) }
sub one_of { return $_[int rand @_] }

# Bytes of a value of whatever kind, some of them of none.
sub random_bytes {
    my ($depth) = @_;
    my $kind = int rand($depth > 5 ? 9 : 12);
    my $count = int rand 6;
    return chr int rand 256 if $kind == 0;
    return one_of("\xc0", "\xc2", "\xc3", "\x00", "\x7f", "\xff", "\xe0") if $kind == 1;
    return one_of("\xcc", "\xcd", "\xce", "\xcf", "\xd0", "\xd1", "\xd2", "\xd3", "\xca", "\xcb") . join '', map { chr int rand 256 } 1 .. rand 10 if $kind == 2;
    return packed(join '', map { chr int rand 128 } 1 .. rand 40) if $kind == 3;
    return packed(join '', map { chr int rand 0x3000 } 1 .. rand 20) if $kind == 4;
    return "\xc4" . chr($count) . join '', map { chr int rand 256 } 1 .. $count if $kind == 5;
    return one_of("\xd4", "\xd5", "\xd6", "\xc7", "\xc8", "\xc9") . join '', map { chr int rand 256 } 1 .. rand 20 if $kind == 6;
    return one_of("\xdd", "\xdf", "\xdb", "\xc6") . pack 'N', one_of(1, 100, 65_536, 2**31, 2**32 - 1) if $kind == 7;
    return packed(one_of(qw(code message data parameter send_content_as msgid done total unit rpc.progress rpc.error denied failed unavailable))) if $kind == 8;
    return chr(0x90 + $count) . join '', map { random_bytes($depth + 1) } 1 .. $count if $kind == 9;
    return chr(0x80 + $count) . join '', map { packed(one_of(qw(code message data detail x))) . random_bytes($depth + 1) } 1 .. $count if $kind == 10;
    return "\x91" x int(rand 80) . "\xc0";
}

sub valid {
    my ($msgid) = @_;
    return one_of(
        "\x94\x01\xce$msgid\xc0" . packed({ text => 'x', list => [1, 2.5, undef, -7], more => { a => 'b' } }),
        "\x94\x01\xce$msgid" . packed({ code => one_of(qw(failed denied unavailable not_found)), message => 'no', data => { parameter => 'key_file' } }) . "\xc0",
        "\x94\x01\xce$msgid\xc0" . one_of("\x01", "\xc0", "\x80", "\x90", packed('x' x 3000)),
        packed([2, 'rpc.progress', [{ msgid => unpack('N', $msgid), done => 5, total => 10, unit => 'bytes' }]]),
        packed([2, 'rpc.error', [{ code => 'protocol', message => 'no' }]]),
    );
}

sub mutated {
    my ($bytes) = @_;
    for (1 .. 1 + int rand 4) {
        my $at = int rand(1 + length $bytes);
        my $way = int rand 5;
        if ($way == 0 && $at < length $bytes) { substr $bytes, $at, 1, chr int rand 256 }
        elsif ($way == 1) { substr $bytes, $at, 0, join '', map { chr int rand 256 } 1 .. 1 + rand 5 }
        elsif ($way == 2) { substr $bytes, $at, 1 + int rand 5, '' if $at < length $bytes }
        elsif ($way == 3) { $bytes = substr $bytes, 0, $at }
        else              { $bytes .= substr $bytes, $at }
    }
    return $bytes;
}

# What comes of one request.
sub said {
    my ($msgid) = @_;
    my $way = int rand 10;
    my $right = HostileBroker::frame("\x94\x01\xce$msgid\xc0\x01");
    my $bytes = $way < 3 ? HostileBroker::frame(mutated(valid($msgid)))
        : $way < 5 ? HostileBroker::frame("\x94\x01\xce$msgid\xc0" . random_bytes(0))
        : $way < 7 ? HostileBroker::frame("\x94\x01\xce$msgid" . random_bytes(0) . "\xc0")
        : $way < 8 ? HostileBroker::frame(random_bytes(0))
        : $way < 9 ? mutated(HostileBroker::frame(valid($msgid)))
        :            HostileBroker::frame("\x93\x02" . packed(one_of(qw(rpc.progress rpc.error))) . "\x91" . random_bytes(0));
    # The right answer may come after all, or the end, or nothing.
    my $end = rand;
    return $end < 0.9 ? $bytes . $right : $end < 0.95 ? $bytes : undef;
}

# A connection's randomness begins with its first request, so that a round does not depend on what other processes do.
my $broker = HostileBroker->start(sub {
    my ($msgid) = @_;
    srand $seed + unpack 'N', $msgid;
    return said($msgid);
});

my $outcome = HostileBroker::outcome_of(sub {
    my %flaws;
    my $take = sub { my ($way, $error) = @_; my $flaw = HostileBroker::flaw($error); $flaws{"$way: $flaw"}++ if defined $flaw };
    my %ended;
    my $begin = 128;
    for my $persistent (1, 0) {
        my $bridge = CPANBridge->new(socket => $broker->socket_path, timeout => 0.03, retry_count => 1, persistent => $persistent, answer_memory => 16 << 20);
        # Numbers of calls go on from one round to the next: they choose what is answered.
        for my $round (1 .. $rounds / 2) {
            my $way = $round % 6;
            if ($way < 2) {
                $ended{ eval { $bridge->call('test.ping') if $way; $bridge->call('test.echo', { key_file => '/etc/hostname' }); 1 } ? 'result' : 'error' }++
                    and $@ and $take->('call', $@);
            }
            elsif ($way == 2) {
                my $result = $bridge->call_python('crypto', 'new', { note => '/etc/hostname', key => 'k' });
                $flaws{'call_python'}++ if ref $result ne 'HASH' || !exists $result->{success};
            }
            elsif ($way == 3) {
                CPANBridge::Error::is_one($_) and $take->('pipeline', $_) for $bridge->pipeline(map { ['test.echo'] } 1 .. 3);
            }
            elsif ($way == 4) {
                my $ticket = $bridge->send_call('test.echo', {}, progress => sub { });
                eval { $bridge->wait_for($ticket); 1 } or $take->('wait_for', $@);
            }
            else {
                my @tickets = map { $bridge->send_call('test.echo') } 1 .. 2;
                my $tries = 0;
                $bridge->poll(0.05) while grep({ !$_->is_done } @tickets) && ++$tries < 50;
                $flaws{'poll without an end'}++ if grep { !$_->is_done } @tickets;
                $_->error and $take->('poll', $_->error) for @tickets;
            }
        }
    }
    return ((map { "$_ ($flaws{$_} times)" } sort keys %flaws), $ended{result} ? () : 'no call ever succeeded', $ended{error} ? () : 'no call ever failed');
});
ok($outcome, "$rounds rounds of calls end ($seed)") or BAIL_OUT("RANDOM_SEED=$seed");
is($outcome->{died}, '', "nothing dies ($seed)");
is_deeply($outcome->{lines}, [], "errors are errors ($seed)");
is_deeply($outcome->{warnings}, [], "no warning ($seed)");
cmp_ok($outcome->{memory}, '<', 48 << 20, "little memory ($seed)");

# What a process for one call answers is read by another function.
srand $seed;
my (%flaws, @warnings);
{
    local $SIG{__WARN__} = sub { push @warnings, @_ };
    for my $round (1 .. 20_000) {
        my $msgid = pack 'N', 128;
        my $bytes = int rand 2 ? mutated(valid($msgid)) : random_bytes(0);
        my ($error) = eval { CPANBridge::Envelope::result_of($bytes, 'test.echo', 16 << 20) };
        $flaws{$@}++ if $@;
        my $flaw = defined $error ? HostileBroker::flaw($error) : undef;
        $flaws{$flaw}++ if defined $flaw;
    }
}
is_deeply(\%flaws, {}, "nor does the answer of a program harm ($seed)");
is_deeply(\@warnings, [], "or warn ($seed)");

done_testing;
