# Whatever a broker sends, a call ends within its time with a result or an error that can be used; it reads no file and fills no memory.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib", "$FindBin::Bin/../compat";
use File::Temp ();
use Test::More;
use CPANBridge;
use CPANBridge::Chain;
use CPANBridge::HTTP::Exchange;
use CPANBridge::HTTP::Transfer;
use HostileBroker;
use TestBroker;

my $SECRET = 'a note that is nobody else\'s';
my $note = File::Temp->new;
print {$note} $SECRET;
close $note;

sub packed { return CPANBridge::MessagePack->pack($_[0]) }
sub frame  { return HostileBroker::frame($_[0]) }
sub answer { my ($msgid, $error, $value) = @_; return frame("\x94\x01\xce$msgid$error$value") }
sub notice { return frame(packed([2, @_])) }

# Sends the same until nobody listens any more.
sub endless {
    my ($connection, $bytes) = @_;
    my $some = $bytes x (1 + int 100_000 / length $bytes);
    1 while HostileBroker::say_all($connection, $some);
    return;
}

my $other = pack 'N', 4_000_000_000;
my %case = (
    # A6a
    'answers to calls that nobody made, without end'  => sub { endless($_[2], answer($other, "\xc0", "\x01")) },
    'progress without end'                            => sub { endless($_[2], notice('rpc.progress', [{ msgid => unpack('N', $_[0]), done => 1, total => 2 }])) },
    'notifications of something new, without end'     => sub { endless($_[2], notice('rpc.news', [{}])) },
    'a long frame byte by byte'                       => sub { HostileBroker::say_all($_[2], pack('N', 60_000_000)); endless($_[2], 'x') },
    'answers that come in single bytes'               => sub { select(undef, undef, undef, 0.001), HostileBroker::say_all($_[2], $_) || last for split //, answer($_[0], "\xc0", "\x01") x 1000; undef },
    # A6b
    'progress that is a text'                         => sub { notice('rpc.progress', 'x') . answer($_[0], "\xc0", "\x01") },
    'progress that is a list of numbers'              => sub { notice('rpc.progress', [5]) . answer($_[0], "\xc0", "\x01") },
    'progress of a list'                              => sub { notice('rpc.progress', [{ msgid => [], done => {}, total => [] }]) . answer($_[0], "\xc0", "\x01") },
    'progress in words'                               => sub { notice('rpc.progress', [{ msgid => unpack('N', $_[0]), done => 'much', total => 'more' }]) . answer($_[0], "\xc0", "\x01") },
    'progress of nothing'                             => sub { notice('rpc.progress') . answer($_[0], "\xc0", "\x01") },
    'a last word that is a text'                      => sub { HostileBroker::say_all($_[2], notice('rpc.error', ['x'])); undef },
    'a last word that is a number'                    => sub { HostileBroker::say_all($_[2], notice('rpc.error', 7)); undef },
    'a last word that is empty'                       => sub { HostileBroker::say_all($_[2], notice('rpc.error', [{}])); undef },
    'a last word of lists'                            => sub { HostileBroker::say_all($_[2], notice('rpc.error', [{ code => [], message => {} }])); undef },
    'an error with a text for data'                   => sub { answer($_[0], packed({ code => 'denied', message => 'no', data => 'text' }), "\xc0") },
    'an error with a list for data'                   => sub { answer($_[0], packed({ code => 'denied', message => 'no', data => [1] }), "\xc0") },
    # A6c
    'an error that asks for a file'                   => sub { answer($_[0], packed({ code => 'denied', message => 'no', data => { parameter => 'note', send_content_as => 'x' } }), "\xc0") },
    'an error that asks for files by lists'           => sub { answer($_[0], packed({ code => 'denied', message => 'no', data => { parameter => ['note'], send_content_as => {} } }), "\xc0") },
    # A6d
    'an error without anything'                       => sub { answer($_[0], "\x80", "\xc0") },
    'an error that is a list'                         => sub { answer($_[0], packed(['x']), "\xc0") },
    'an error that is a number'                       => sub { answer($_[0], "\x07", "\xc0") },
    'an error that is no'                             => sub { answer($_[0], "\xc2", "\xc0") },
    'an error that is an empty text'                  => sub { answer($_[0], "\xa0", "\xc0") },
    'an error in many lines'                          => sub { answer($_[0], packed({ code => "fai\nled", message => "a\nb\e[31m" . 'x' x 100_000 }), "\xc0") },
    'an error in characters that are none'            => sub { answer($_[0], "\x82\xa4code\xa6failed\xa7message\xaa\xed\xa0\x80\xef\xbf\xbf\xc2\x85\x0ax", "\xc0") },
    'an error of lists'                               => sub { answer($_[0], packed({ code => [], message => {} }), "\xc0") },
    'an unknown code'                                 => sub { answer($_[0], packed({ code => 'whatever', message => 'x' }), "\xc0") },
    'unavailable for ever'                            => sub { answer($_[0], packed({ code => 'unavailable', message => 'x' }), "\xc0") },
    'a version of long numbers'                       => sub { answer($_[0], packed({ code => 'unknown_module', message => 'x (cpan-bridge ' . '9' x 400 . '.1.1)' }), "\xc0") },
    'an answer without a number'                      => sub { frame("\x94\x01\xc0\xc0\x01") },
    'an answer with a list for a number'              => sub { frame("\x94\x01\x90\xc0\x01") },
    'an answer of three'                              => sub { frame("\x93\x01\xce$_[0]\xc0") },
    'an answer with bytes behind'                     => sub { frame("\x94\x01\xce$_[0]\xc0\x80more") },
    'an answer with a small one behind'               => sub { frame("\x94\x01\xce$_[0]\xc0\x01\x01") },
    'an answer of an extension type'                  => sub { answer($_[0], "\xc0", "\xd4\x01x") },
    'an answer with a cut result'                     => sub { answer($_[0], "\xc0", "\xdd\xff\xff\xff\xff") },
    'an answer that is too deep'                      => sub { answer($_[0], "\xc0", "\x91" x 200 . "\xc0") },
    'a request'                                       => sub { frame("\x94\x00\xce$_[0]\xa1x\x80") },
    'a message of nothing'                            => sub { frame("\x90") },
    'a message that is a map'                         => sub { frame("\x80") },
    'a message of no known kind'                      => sub { frame("\x93\x09\x01\x01") },
    'a message of nils'                               => sub { frame("\x94\xc0\xc0\xc0\xc0") },
    'a notification of a list'                        => sub { frame("\x93\x02\x91\x01\x90") },
    'no MessagePack'                                  => sub { frame("\xc1\xc1\xc1") },
    'a frame of length 0'                             => sub { "\0\0\0\0" },
    'a frame of 1 GiB'                                => sub { HostileBroker::say_all($_[2], pack('N', 1 << 30)); endless($_[2], "\x90") },
    'a frame of 4 GiB'                                => sub { "\xff\xff\xff\xff" },
    'a close'                                         => sub { undef },
    'half an answer and a close'                      => sub { HostileBroker::say_all($_[2], "\0\0\0\x09\x94"); undef },
    # In its words everything is right.
    'results of every kind'                           => sub { answer($_[0], "\xc0", ("\xc0", "\xc2", "\x90", "\x80", "\xa0", "\xcb" . pack('d>', 'nan'))[ord(substr $_[0], -1) % 6]) },
);

# Every way in which a script asks, with what is to be said of each: nothing.
sub ask_every_way {
    my ($path) = @_;
    my %parameters = (note => $note->filename, key_file => '/nonexistent', path => $note->filename);
    my @flaws;
    my $take = sub { my ($way, $error) = @_; my $flaw = HostileBroker::flaw($error); push @flaws, "$way: $flaw" if defined $flaw };
    my $fresh = sub { return CPANBridge->new(socket => $path, timeout => 0.4, answer_memory => 16 << 20, @_) };
    for my $persistent (1, 0) {
        my $bridge = $fresh->(persistent => $persistent);
        eval { $bridge->call('test.echo', \%parameters); 1 } or $take->('call', $@);
        $bridge = $fresh->(persistent => $persistent);
        $bridge->call('test.ping') for 1 .. 3;
        eval { $bridge->call('test.ping'); $bridge->call('test.echo', \%parameters); 1 } or $take->('call on the lane', $@);
        my $result = $bridge->call_python('test', 'echo', \%parameters);
        push @flaws, 'call_python: no hash' if ref $result ne 'HASH' || !exists $result->{success};
        push @flaws, 'call_python: no good error' if !$result->{success} && (ref $result->{error} || !length $result->{error});
    }
    my $bridge = $fresh->();
    my @amounts;
    eval { $bridge->call('test.echo', \%parameters, progress => sub { push @amounts, grep { defined && !/\A[\d.]+\z|\Abytes\z/ } @_ }); 1 } or $take->('progress', $@);
    push @flaws, "progress in words: @amounts" if @amounts;
    $bridge = $fresh->();
    for my $result ($bridge->pipeline(map { ['test.echo', \%parameters] } 1 .. 3)) {
        $take->('pipeline', $result) if CPANBridge::Error::is_one($result);
    }
    $bridge = $fresh->();
    my @tickets = map { $bridge->send_call('test.echo', \%parameters) } 1 .. 2;
    eval { $bridge->wait_for($_); 1 } or $take->('wait_for', $@) for @tickets;
    $bridge = $fresh->();
    @tickets = map { $bridge->send_call('test.echo', \%parameters) } 1 .. 2;
    for (1 .. 20) { $bridge->poll(0.1); last if !grep { !$_->is_done } @tickets }
    push @flaws, 'poll: a call without an end' if grep { !$_->is_done } @tickets;
    $take->('poll', $_) for grep { defined } map { $_->error } @tickets;
    eval { $fresh->()->notify('test.echo', \%parameters); 1 } or $take->('notify', $@);
    return @flaws;
}

for my $name (sort keys %case) {
    my $broker = HostileBroker->start($case{$name});
    my $outcome = HostileBroker::outcome_of(sub { ask_every_way($broker->socket_path) });
    ok($outcome, "$name: every call ends") or next;
    is($outcome->{died}, '', "$name: nothing dies");
    is_deeply($outcome->{lines}, [], "$name: errors are errors");
    is_deeply($outcome->{warnings}, [], "$name: no warning");
    cmp_ok($outcome->{memory}, '<', 40 << 20, "$name: little memory");
    is(index($broker->received, $SECRET), -1, "$name: no file is read");
}

# --- Files: the script's own that it named as such, and under the name that the client knows
{
    my $broker = HostileBroker->start(sub {
        my ($msgid) = @_;
        return answer($msgid, packed({ code => 'denied', message => 'no', data => { parameter => 'note', send_content_as => 'x' } }), "\xc0");
    });
    my $key = File::Temp->new;
    print {$key} 'the key';
    close $key;
    my $bridge = CPANBridge->new(socket => $broker->socket_path, timeout => 5);
    for my $call (
        ['test.echo', key_file => $note->filename], ['crypto.new', note => $note->filename, key => 'k'], ['crypto.hash', key_file => $note->filename],
        ['crypto.new', key_file => $note->filename, key_file_content => 'given'], ['http_helper.get', ca_file => $note->filename],
        ['http_helper.request', path => $note->filename, ca_file => $note->filename],
    ) {
        my ($method, %parameters) = @$call;
        eval { $bridge->call($method, \%parameters) };
        is($@->code, 'denied', "$method: denied is denied");
    }
    is(index($broker->received, $SECRET), -1, 'what no function takes as a file is not read');
    eval { $bridge->call('crypto.new', { key_file => $key->filename, note => $note->filename }) };
    eval { $bridge->call('http_helper.session_new', { ca_file => $key->filename }) };
    my @sent = $broker->received =~ /(key_file_content\xa7the key|\xa2ca\xa7the key)/g;
    is(@sent, 2, 'a key file and one of authorities are, and sent under their own names');
    is(index($broker->received, $SECRET), -1, 'and nothing else');
    eval { $bridge->call('crypto.new', { key_file => '/nonexistent/key' }) };
    like($@->message, qr{\AFailed to read key from file: /nonexistent/key: }, 'one that can\'t be read is told');
}

# --- What takes the place of a denied call is within its time, whatever the file is and however little the broker says then
{
    my $dir = File::Temp->newdir;
    require POSIX;
    POSIX::mkfifo("$dir/pipe", 0600) or die $!;
    open my $out, '>', "$dir/file" or die $!;
    print {$out} 'x' x 100;
    close $out;
    my %denied;
    my $broker = HostileBroker->start(sub {
        my ($msgid, $method) = @_;
        return answer($msgid, packed({ code => 'denied', message => 'no', data => { parameter => 'key_file', send_content_as => 'key_file_content' } }), "\xc0")
            if !$denied{$method}++ && $method !~ /\.(?:request|body_new)\z/;
        return answer($msgid, "\xc0", packed({ status_code => 200, reason => 'OK', headers => [], url => 'http://h/', content => '', stream_id => 'a' x 32 }))
            if $method =~ /\.request\z/;
        # And then silence.
        return '';
    });
    for my $call (
        ['crypto.new', key_file => "$dir/pipe"], ['crypto.new', key_file => '/dev/zero'], ['crypto.new', key_file => "$dir/file"],
        ['http_helper.upload', url => 'http://h/', path => "$dir/pipe"], ['http_helper.upload', url => 'http://h/', path => "$dir/file"],
        ['http_helper.download', url => 'http://h/', path => "$dir/target"],
    ) {
        my ($method, %parameters) = @$call;
        my $outcome = HostileBroker::outcome_of(sub {
            my $bridge = CPANBridge->new(socket => $broker->socket_path, timeout => 30);
            return eval { $bridge->call($method, \%parameters, timeout => 0.5); 1 } ? 'none' : $@->code . ': ' . $@->message;
        });
        ok($outcome, "$method with $call->[-1] ends") or next;
        like($outcome->{lines}[0], $call->[-1] =~ /pipe|zero/ ? qr/only regular files are opened/ : qr/\Atimeout: /, 'with an error');
        cmp_ok($outcome->{memory}, '<', 40 << 20, 'and little memory');
    }
    my $outcome = HostileBroker::outcome_of(sub {
        my $bridge = CPANBridge->new(socket => $broker->socket_path, timeout => 1000);
        return map { $_->code } $bridge->pipeline(['http_helper.body_add', {}, timeout => 0.2], ['http_helper.body_add', {}, timeout => 0.3]);
    });
    ok($outcome, 'each call of a pipeline has its own time');
}

# --- Memory
for my $shape (["\x90", 'empty lists'], ["\x80", 'empty maps'], ["\xa1x", 'texts'], ["\x81\xa1k\xa1x", 'maps']) {
    my ($bytes, $what) = @$shape;
    my $count = int 8_000_000 / length $bytes;
    my $broker = HostileBroker->start(sub { answer($_[0], "\xc0", "\xdd" . pack('N', $count) . $bytes x $count) });
    my $outcome = HostileBroker::outcome_of(sub {
        my $bridge = CPANBridge->new(socket => $broker->socket_path, timeout => 60, answer_memory => 64 << 20);
        my @codes = eval { $bridge->call('test.echo'); 1 } ? 'none' : $@->code;
        push @codes, map { CPANBridge::Error::is_one($_) ? $_->code : 'none' } $bridge->pipeline(map { ['test.echo'] } 1 .. 3);
        return @codes;
    });
    is($outcome->{lines}[0], 'too_large', "eight megabytes of $what do not fit in 64");
    cmp_ok($outcome->{memory}, '<', 64 << 20, 'and do not take more');
}
{
    # What is wanted is had by who allows it.
    my $broker = HostileBroker->start(sub { answer($_[0], "\xc0", "\xdb" . pack('N', 6 << 20) . 'x' x (6 << 20)) });
    my $outcome = HostileBroker::outcome_of(sub {
        my @sizes = map {
            my $bridge = CPANBridge->new(socket => $broker->socket_path, timeout => 60, answer_memory => $_ << 20);
            eval { length $bridge->call('test.echo') } || $@->code . ': ' . $@->message;
        } 16, 32;
        local $CPANBridge::ANSWER_MEMORY = 1;
        push @sizes, eval { length CPANBridge->new(socket => $broker->socket_path)->call('test.echo') } || $@->code;
        return @sizes;
    });
    like($outcome->{lines}[0], qr/\Atoo_large: .*answer_memory/, 'a text of six megabytes is too large for a memory of 16');
    is($outcome->{lines}[1], 6 << 20, 'and not for one of 32');
    is($outcome->{lines}[2], 'too_large', 'the variable is heard');
    is(qx{CPAN_BRIDGE_ANSWER_MEMORY=33554432 $^X -I$FindBin::Bin/../lib -MCPANBridge -e 'print \$CPANBridge::ANSWER_MEMORY'}, 33_554_432, 'and the environment');
}

# --- What stands on the client
my %result = (
    'http_helper.session_new' => { session_id => 's' },
    'http_helper.body_new'    => { body_id => 'b' },
    'http_helper.body_add'    => {},
    'http_helper.request'     => { status_code => 200, reason => 'OK', headers => ['A', 'b'], content => 'x' },
    'http_helper.body_send'   => { status_code => 200, reason => 'OK', headers => ['A', 'b'], content => 'x' },
    'http_helper.read'        => { content => 'y', done => 1 },
    'crypto.chain_new'        => { chain_id => 'c' },
    'crypto.chain_next'       => { data => 'x' x 16 },
    'crypto.chain_once'       => { data => 'x' x 16 },
    'crypto.derive_key'       => { key_hex => '00' x 48 },
);
my @odd = (undef, 0, '', 'text', [], {}, [[]], { content => [] }, { headers => 'x' }, { headers => {} }, { headers => ['odd'] }, { headers => [[], {}] },
    { status_code => 'x' }, { status_code => [] }, { status_code => undef }, { reason => {} }, { content => "\x{263a}" }, { content => undef },
    { data => undef }, { data => [] }, { data => "\x{263a}" }, { chain_id => [] }, { chain_id => '' }, { chain_id => undef }, { session_id => {} },
    { body_id => [] }, { stream_id => [] }, { stream_id => 'x', content => '' }, { aborted => {} }, { error => [] }, { key_hex => 'zz' }, { key_hex => {} },
    { done => 0, content => '' });
# Which method answers what is in a file: the broker is another process.
my $directory = File::Temp::tempdir(CLEANUP => 1);
my $odd_broker = HostileBroker->start(sub {
    my ($msgid, $method) = @_;
    open my $in, '<', "$directory/which" or die;
    my ($which, $index) = split / /, readline $in;
    my $usual = $result{$method};
    my $value = $method ne $which ? $usual : ref $odd[$index] eq 'HASH' && %{ $odd[$index] } ? { %{ $usual || {} }, %{ $odd[$index] } } : $odd[$index];
    return answer($msgid, "\xc0", packed($value));
});

my (@plain, @warned, $count);
for my $method (sort keys %result) {
    for my $index (0 .. $#odd) {
        open my $out, '>', "$directory/which" or die;
        print {$out} "$method $index";
        close $out;
        $count++;
        my $outcome = HostileBroker::outcome_of(sub {
            local $ENV{CPAN_BRIDGE_SOCKET} = $odd_broker->socket_path;
            return $method =~ /\Acrypto/ ? encrypt_something() : exchange_something();
        });
        my $what = "$method $index";
        push @plain, "$what: " . (!$outcome ? 'no end' : $outcome->{died} || join '; ', @{ $outcome->{lines} }) if !$outcome || $outcome->{died} ne '' || @{ $outcome->{lines} };
        push @warned, map { "$what: $_" } @{ $outcome->{warnings} } if $outcome;
    }
}
is_deeply(\@plain, [], "$count odd answers: errors that a script can use, or an answer");
is_deeply(\@warned, [], 'and no warning');

sub encrypt_something {
    require Crypt::CBC;
    my @flaws;
    my $cipher = Crypt::CBC->new(-key => 'k' x 32, -literal_key => 1, -header => 'none', -iv => 'i' x 16, -cipher => 'Cipher::AES');
    for my $work (
        sub { $cipher->encrypt('x') }, sub { $cipher->start('e'); $cipher->crypt('x' x 100) . $cipher->finish }, sub { $cipher->encrypt('x' x 900_000) },
        sub { Crypt::CBC->new(-key => 'x', -pbkdf => 'pbkdf2')->encrypt('x') },
    ) {
        my $result = eval { $work->() };
        # A text that ends with the place in this file, and is not one of Perl's.
        push @flaws, "$@" if !defined $result && ($@ !~ / at \Q${\ __FILE__}\E line \d+\.?\n\z/ || $@ =~ /uninitialized|reference|locate|HASH|ARRAY/);
    }
    return @flaws;
}

sub exchange_something {
    my @flaws;
    my $exchange = CPANBridge::HTTP::Exchange->new;
    my $pieces = 3;
    for my $order (
        {}, { body => 'x' }, { body => sub { $pieces-- > 0 ? 'x' : undef } }, { on_data => sub { my ($data) = @_; die "no data\n" if !defined $data; 1 } },
    ) {
        my $reply = eval { $exchange->run(method => 'GET', url => 'http://localhost/', timeout => 5, %$order) };
        if (!$reply) { push @flaws, "$@"; next }
        push @flaws, 'neither an answer nor an error' if !defined $reply->{error} && ($reply->{status} !~ /\A\d{3}\z/ || ref $reply->{headers} ne 'ARRAY' || ref $reply->{content});
    }
    my $bridge = CPANBridge::HTTP::Answer->wary(CPANBridge->new);
    # This process may end without its END blocks.
    my $directory = File::Temp->newdir;
    my $to = "$directory/there";
    for my $outcome (
        [eval { CPANBridge::HTTP::Transfer::download($bridge, { url => 'http://localhost/', path => $to }, {}) }],
        [eval { CPANBridge::HTTP::Transfer::upload($bridge, { url => 'http://localhost/', path => $note->filename }, {}) }],
    ) {
        push @flaws, "a transfer: $@" if !@$outcome;
        my $flaw = defined $outcome->[0] ? HostileBroker::flaw($outcome->[0]) : undef;
        push @flaws, "a transfer: $flaw" if defined $flaw;
    }
    return @flaws;
}

done_testing;
