# The stand-in for Crypt::CBC: the original's bytes, both ways; its texts; streams; ciphers of the script's own.
use strict;
use warnings;
use lib 'perl/t/lib', 'perl/lib', 'perl/compat';
use Test::More;
use Digest::SHA qw(sha256_hex);
use JSON::PP;
use CBCWorker;
use CPANBridge;
use Crypt::CBC;
use File::Temp ();
use TestBroker;
use Time::HiRes qw(setitimer ITIMER_REAL);

like($INC{'Crypt/CBC.pm'}, qr/compat/, 'this is the stand-in');
is(Crypt::CBC->VERSION, '3.04', 'of the version it stands in for');
my $broker = TestBroker->start;
$ENV{CPAN_BRIDGE_SOCKET} = $broker->socket_path;
my $top = TestBroker::top();

# --- What the original made
open my $file, '<', "$top/tests/data/crypt-cbc/cases.json" or die $!;
my $cases = decode_json(do { local $/; readline $file });
ok(@$cases > 1500, 'there are cases');
my %wrong;
for my $case (@$cases) {
    my %options = (CBCWorker::options($case->{options}), -nodeprecate => 1);
    my $large = defined $case->{sha256};
    my $plaintext = $large ? chr($case->{byte}) x $case->{length} : pack 'H*', $case->{plaintext};
    my $ciphertext = Crypt::CBC->new(%options)->encrypt($plaintext);
    $wrong{encrypt}++ if $large ? sha256_hex($ciphertext) ne $case->{sha256} : unpack('H*', $ciphertext) ne $case->{ciphertext};
    my $back = Crypt::CBC->new(%options)->decrypt($ciphertext);
    # Paddings that can't be told from the text's own end, and modes that round up, do not give back every text.
    my $lossy = $options{-padding} && $options{-padding} =~ /\A(?:space|null|none|oneandzeroes|rijndael_compat)\z/
        || $options{-chain_mode} && $options{-chain_mode} eq 'cfb';
    $wrong{decrypt}++ if $back ne $plaintext && !$lossy;
    $wrong{'decrypt, lossy padding'}++ if $lossy && $back !~ /\A\Q$plaintext\E[\0]*\z/ && $plaintext !~ /[ \0\x80]\0*\z/;
}
is_deeply(\%wrong, {}, 'every message of the original, both ways');

# --- The original itself, where it is installed
my $ours = CBCWorker->start("$top/perl/t/lib", "$top/perl/lib", "$top/perl/compat");
my $real = CBCWorker->start("$top/perl/t/lib");
SKIP: {
    skip 'the original Crypt::CBC 3.04 with CryptX is not installed: no live cross-check', 2 if !$real;
    # The original counts with a module that may not be there; the recorded data holds its ctr all the same.
    my $can_count = eval { require Math::Int128; 1 };
    diag 'Math::Int128 is not installed: the original has no ctr to compare with' if !$can_count;
    my ($count, @different) = (0);
    my $compare = sub {
        my ($task) = @_;
        my ($a, $b) = map { encode_json_sorted($_->ask($task)) } $real, $ours;
        $count++;
        push @different, encode_json_sorted($task) . "\n  original $a\n  ours     $b" if $a ne $b;
        return decode_json($a)->{result};
    };
    for my $cipher (['Crypt::Cipher::AES', 32, 16], ['Cipher::Blowfish', 56, 8]) {
        my ($class, $keysize, $block) = @$cipher;
        for my $mode (qw(cbc pcbc cfb ofb), $block == 16 && $can_count ? 'ctr' : ()) {
            for my $padding (qw(standard oneandzeroes space null none rijndael_compat)) {
                for my $length (1, $block - 1, $block, 3 * $block + 5) {
                    my $data = unpack 'H*', join '', map { chr(($_ * 37 + $length) & 255) } 1 .. $length;
                    my %options = (-cipher => $class, -pass => '736563726574', -salt => '3132333435363738',
                        -chain_mode => $mode, -padding => $padding, -pbkdf => $length % 2 ? 'opensslv1' : 'opensslv2');
                    my $encrypted = $compare->({ options => \%options, operation => 'encrypt', data => $data });
                    $compare->({ options => \%options, operation => 'encrypt', data => $data, piece => 7 });
                    next if !defined $encrypted;
                    $compare->({ options => \%options, operation => 'decrypt', data => $encrypted });
                    $compare->({ options => \%options, operation => 'decrypt', data => $encrypted, piece => 5 });
                }
            }
        }
    }
    ok($count > 500, "$count tasks were compared");
    is(join("\n", @different), '', 'the original and the stand-in do the same');

    # What is refused, and in what words.
    my @refused;
    for my $options (
        {}, { -pass => '61', -nonsense => 1 }, { -pass => '61', -cipher => 'No::Such' }, { -pass => '61', -header => 'odd' },
        { -pass => '61', -salt => '3131' }, { -pass => '61', -padding => 'odd' }, { -pass => '61', -iter => -1 },
        { -pass => '61', -iv => '61' }, { -pass => '61', -chain_mode => 'odd' }, { -key => '61', -literal_key => 1 },
        { -key => '61' x 32, -literal_key => 1, -header => 'salt' }, { -pass => '61', -header => 'randomiv' },
        { -pass => '61' x 32, -pbkdf => 'none' },
        { -pass => '61', -cipher => 'Cipher::Blowfish', -header => 'randomiv', -pbkdf => 'opensslv1' },
    ) {
        my $task = { options => $options, operation => 'encrypt', data => '61' };
        my ($theirs, $mine) = map { my $error = $_->ask($task)->{error}; $error =~ s/\(\@INC.*//s; $error =~ s/\(you may.*//s; $error } $real, $ours;
        push @refused, encode_json_sorted($options) . " original: $theirs, ours: $mine" if $theirs ne $mine || $theirs eq '';
    }
    is(join("\n", @refused), '', 'what the original refuses is refused in its words');
}

# --- Large data, of which several messages are under way at a time
{
    my $cipher = sub { Crypt::CBC->new(-key => 'k' x 32, -literal_key => 1, -header => 'none', -iv => 'i' x 16, -cipher => 'Cipher::AES') };
    my $large = join '', map { chr(($_ * 7 + ($_ >> 8)) & 255) } 0 .. 1_500_001;
    my $whole = $cipher->()->encrypt($large);
    my ($pieces, $at) = ('', 0);
    my $stream = $cipher->();
    $stream->start('encrypting');
    for my $length (1, 131_072, 131_071, 400_000, 7, 500_000) {
        $pieces .= $stream->crypt(substr $large, $at, $length);
        $at += $length;
    }
    $pieces .= $stream->crypt(substr $large, $at) . $stream->finish;
    ok($pieces eq $whole, 'streamed in odd pieces it is the same');

    my ($signals, $wrong) = (0, 0);
    # The next one is due a time after the handler is done: where a machine is slower than the interval, handlers would leave what they interrupt
    # no time, and the broker cuts off who reads nothing for long.
    my $interval = 0.05;
    local $SIG{ALRM} = sub {
        $signals++;
        $wrong++ if $cipher->()->encrypt(substr $large, 0, 300_000) ne $pieces;
        setitimer(ITIMER_REAL, $interval);
    };
    $pieces = $cipher->()->encrypt(substr $large, 0, 300_000);
    setitimer(ITIMER_REAL, $interval);
    my $same = 1;
    for (1 .. 200) {
        $same &&= $cipher->()->encrypt($large) eq $whole;
        last if $signals > 10;
    }
    setitimer(ITIMER_REAL, $interval = 0);
    ok($same, "a handler that encrypts large data meanwhile disturbs nothing ($signals signals)");
    is($wrong, 0, 'nor is it disturbed');

    my $rounds = 0;
    local $SIG{ALRM} = sub { die "enough\n" };
    for my $round (1 .. 30) {
        eval { setitimer(ITIMER_REAL, 0.002 + $round / 1e4); $cipher->()->encrypt($large) for 1 .. 1000; 1 };
        setitimer(ITIMER_REAL, 0);
        last if $@ ne "enough\n" || $cipher->()->decrypt($whole) ne $large;
        $rounds++;
    }
    is($rounds, 30, "a handler that dies is heard, wherever it strikes: $@");
}
# Where it struck between the making of a chain and the answer that names it, the chain is nobody's, and ends unused.
my $watch = CPANBridge->new;
my $chains = sub { $watch->call('system.metrics')->{handle_summary}{chain} || 0 };
my $nobodys = $chains->();

# --- What openssl enc made: printf 'Hello Perl' | openssl enc -aes-256-cbc FLAGS -k secret -S 0102030405060708 (3.0.19, which
# leaves out the header when it is given a salt)
for my $way (
    ['opensslv1', '74fc1b0a200e7cc9e0f1701b325d67ab'],    # -md md5
    ['opensslv2', '0ff888aa5da8ec1239f6f48e9d8b990b'],    # -md sha256
    ['pbkdf2',    'c7de58a9872021e2315c1743a28a264b'],    # -pbkdf2 -iter 10000
) {
    my ($pbkdf, $made) = @$way;
    my $reader = Crypt::CBC->new(-pass => 'secret', -pbkdf => $pbkdf, -salt => pack('H*', '0102030405060708'), -nodeprecate => 1);
    my $message = pack 'H*', "53616c7465645f5f0102030405060708$made";
    is($reader->decrypt($message), 'Hello Perl', "what openssl made with $pbkdf is read");
    is($reader->encrypt('Hello Perl'), $message, 'and made again');
}

# --- openssl enc, where it is installed
SKIP: {
    my $version = qx{openssl version 2>/dev/null};
    skip 'openssl is not installed: no live cross-check', 6 if !$version;
    my $directory = File::Temp::tempdir(CLEANUP => 1);
    for my $way (['opensslv1', '-md md5'], ['opensslv2', '-md sha256'], ['pbkdf2', '-pbkdf2 -iter 10000']) {
        my ($pbkdf, $flags) = @$way;
        my $cipher = Crypt::CBC->new(-pass => 'secret', -pbkdf => $pbkdf, -nodeprecate => 1);
        write_file("$directory/ours", $cipher->encrypt("Hello openssl\n"));
        is(qx{openssl enc -d -aes-256-cbc $flags -k secret -in $directory/ours 2>/dev/null}, "Hello openssl\n",
            "openssl enc reads what we write with $pbkdf");
        write_file("$directory/plain", "Hello Perl\n");
        system "openssl enc -aes-256-cbc $flags -k secret -in $directory/plain -out $directory/theirs 2>/dev/null";
        is($cipher->decrypt(read_file("$directory/theirs")), "Hello Perl\n", "and we read what it writes with $pbkdf");
    }
}

# --- As it is used
my $cipher = Crypt::CBC->new(-key => 'my secret key', -cipher => 'Blowfish', -pbkdf => 'pbkdf2');
is($cipher->decrypt($cipher->encrypt('Hello')), 'Hello', 'there and back');
is($cipher->decrypt_hex($cipher->encrypt_hex('Hello')), 'Hello', 'in hex');
isnt($cipher->encrypt('Hello'), $cipher->encrypt('Hello'), 'a new salt for each message');
like($cipher->encrypt(''), qr/\ASalted__.{16}\z/s, 'an empty text is a message');
is(Crypt::CBC->new('secret', 'Blowfish')->blocksize, 8, 'key and cipher as plain arguments');
is(Crypt::CBC->new({ key => 'secret', cipher => 'Rijndael' })->keysize, 32, 'a hash of arguments');
is(Crypt::CBC->new(-KEY => 'secret')->cipher, 'Crypt::Cipher::AES', 'names in whatever case, and the default cipher');

my $stream = Crypt::CBC->new(-key => 'secret', -pbkdf => 'pbkdf2');
$stream->start('encrypting');
my $sealed = join '', map { my $some = $stream->crypt($_); defined $some ? $some : '' } ('x' x 100_000) x 30;
$sealed .= $stream->finish;
is($stream->decrypt($sealed), 'x' x 3_000_000, 'a stream of pieces is one message');
ok(TestBroker::eventually(sub { $chains->() == $nobodys }), 'and leaves nothing in the broker');
{
    my $forgotten = Crypt::CBC->new(-key => 'secret', -pbkdf => 'pbkdf2');
    $forgotten->start('encrypting');
    $forgotten->crypt('x' x 100);
    is($chains->(), $nobodys + 1, 'a stream under way keeps a chain');
}
ok(TestBroker::eventually(sub { $chains->() == $nobodys }), 'that goes with its object');

eval { $cipher->crypt('x') };
like($@, qr/\Acrypt\(\) called without a preceding start\(\) at \Q${\ __FILE__}\E/, 'crypt without start');
is($cipher->finish, '', 'finish without start');
my $random_iv = Crypt::CBC->new(-pass => 'secret', -cipher => 'Blowfish', -header => 'randomiv', -nodeprecate => 1);
is($random_iv->decrypt($random_iv->encrypt('Hello')), 'Hello', 'the oldest header');
eval { $cipher->start('x') };
like($@, qr/\ASpecify <e>ncryption or <d>ecryption/, 'neither way');
eval { $cipher->decrypt('no header at all') };
like($@, qr/\ACiphertext does not begin with a valid header for 'salt' header mode/, 'no header');
is($cipher->decrypt($cipher->encrypt("\x{263a}")), "\xe2\x98\xba", 'characters are their UTF-8, as with the original');
utf8::upgrade(my $flagged = "\xe9");
is($cipher->decrypt($cipher->encrypt($flagged)), "\xc3\xa9", 'also those that would fit a byte');
is($cipher->decrypt($cipher->encrypt("\xe9")), "\xe9", 'bytes are bytes');
{
    my @warnings;
    local $SIG{__WARN__} = sub { push @warnings, @_ };
    Crypt::CBC->new(-key => 'secret')->encrypt('x');
    like("@warnings", qr/\AWARNING: The key derivation method "opensslv1" is deprecated\. Using -pbkdf=>'pbkdf2' would be better\.\nPass -nodeprecate=>1/, 'the warning');
    @warnings = ();
    Crypt::CBC->new(-key => 'secret', -nodeprecate => 1)->encrypt('x');
    is("@warnings", '', 'and none when not wanted');
}

# --- Ciphers of the script's own
{
    package Crypt::OfMyOwn;
    sub new       { my ($class, $key) = @_; return bless { key => substr $key, 0, 8 }, $class }
    sub keysize   { return 8 }
    sub blocksize { return 8 }
    sub encrypt   { my ($self, $block) = @_; die "a block of 8 is wanted\n" if length $block != 8; return scalar reverse($block ^ $self->{key}) }
    sub decrypt   { my ($self, $block) = @_; return scalar(reverse $block) ^ $self->{key} }
}
for my $mode (qw(cbc pcbc cfb ofb ctr)) {
    for my $own ('OfMyOwn', Crypt::OfMyOwn->new('12345678')) {
        my @key = ref $own ? () : (-key => 'secret');
        my $live = Crypt::CBC->new(-cipher => $own, @key, -chain_mode => $mode, -pbkdf => 'opensslv2');
        my $text = 'a text that is not whole blocks';
        my $expected = $mode eq 'cfb' ? $text . "\0" : $text;
        is($live->decrypt($live->encrypt($text)), $expected, (ref $own ? 'an object' : 'a class') . " in mode $mode");
    }
}
my $padded = Crypt::CBC->new(-key => 'secret', -pbkdf => 'opensslv2', -padding => sub {
    my ($block, $size, $direction) = @_;
    return $direction eq 'd' ? $block =~ s/#*\z// && $block : $block . '#' x ($size - length $block);
});
is($padded->decrypt($padded->encrypt('Hello')), 'Hello', 'a padding of the script\'s own');
eval { Crypt::CBC->new(-key => 'x', -padding => sub { 'x' }) };
like($@, qr/padding method callback does not behave properly: expected 16 bytes back, got 1 bytes back/, 'one that does not work');

# --- Found by scripts
is(qx{$^X -I$top/perl/lib -MCPANBridge::Compat -MCrypt::CBC -e 'print \$INC{q(Crypt/CBC.pm)} =~ /compat/ ? 1 : 0'}, '1', 'use CPANBridge::Compat');

done_testing;

sub encode_json_sorted { return JSON::PP->new->canonical->encode($_[0]) }

sub write_file {
    my ($path, $content) = @_;
    open my $handle, '>:raw', $path or die "$path: $!";
    print {$handle} $content;
    close $handle or die "$path: $!";
    return;
}

sub read_file {
    my ($path) = @_;
    open my $handle, '<:raw', $path or die "$path: $!";
    local $/;
    return readline $handle;
}
