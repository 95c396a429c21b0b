# The stand-ins for modules of one block a call: Crypt::Blowfish, Crypt::Rijndael and their kin.
use strict;
use warnings;
use lib 'perl/t/lib', 'perl/lib', 'perl/compat';
use Test::More;
use TestBroker;

my $broker = TestBroker->start;
$ENV{CPAN_BRIDGE_SOCKET} = $broker->socket_path;

sub unhex { return pack 'H*', $_[0] }

# Published vectors: FIPS 197 C.1 to C.3, Schneier's for Blowfish and Twofish, FIPS 46 (NBS 500-20), RFC 2144 B.1, ascom's for IDEA.
my @AES = (
    ['000102030405060708090a0b0c0d0e0f', '00112233445566778899aabbccddeeff', '69c4e0d86a7b0430d8cdb78070b4c55a'],
    ['000102030405060708090a0b0c0d0e0f1011121314151617', '00112233445566778899aabbccddeeff', 'dda97ca4864cdfe06eaf70a0ec0d7191'],
    ['000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f', '00112233445566778899aabbccddeeff',
        '8ea2b7ca516745bfeafc49904b496089'],
);
my @BLOWFISH = (['0123456789abcdef', '1111111111111111', '61f9c3802281b096'], ['fedcba9876543210', '0123456789abcdef', '0aceab0fc6a0a28d']);
my @DES = (['8001010101010101', '0000000000000000', '95a8d72813daa94d'], ['10316e028c8f3b4a', '0000000000000000', '82dcbafbdeab6602']);
my @EDE = (['0123456789abcdef23456789abcdef01456789abcdef0123', '5468652071756663', 'a826fd8ce53b855f']);
my @IDEA = (['00010002000300040005000600070008', '0000000100020003', '11fbed2b01986de5']);
my @CAST5 = (
    ['0123456712345678234567893456789a', '0123456789abcdef', '238b4fe5847e44b2'],
    ['01234567123456782345',             '0123456789abcdef', 'eb6a711a2c02271b'],
    ['0123456712',                       '0123456789abcdef', '7ac816d16e9b302e'],
);
my @TWOFISH = (
    ['00' x 16, '00' x 16, '9f589f5cf6122c32b6bfec2f2ae8c35a'],
    ['0123456789abcdeffedcba987654321000112233445566778899aabbccddeeff', '00' x 16, '37527be0052334b89f0cfccae87cfa20'],
);
# What each tells of itself is the original's: key size, block size.
my @MODULES = (
    ['Crypt::Blowfish',         0,  8,  @BLOWFISH],
    ['Crypt::Blowfish_PP',      56, 8,  @BLOWFISH],
    ['Crypt::Cipher::Blowfish', 56, 8,  @BLOWFISH],
    ['Crypt::Rijndael',         32, 16, @AES],
    ['Crypt::Rijndael_PP',      32, 16, $AES[2]],
    ['Crypt::OpenSSL::AES',     32, 16, @AES],
    ['Crypt::Cipher::AES',      32, 16, @AES],
    ['Crypt::DES',              8,  8,  @DES],
    ['Crypt::DES_PP',           8,  8,  @DES],
    ['Crypt::Cipher::DES',      8,  8,  @DES],
    ['Crypt::DES_EDE3',         24, 8,  @EDE],
    ['Crypt::Cipher::DES_EDE',  24, 8,  @EDE],
    ['Crypt::IDEA',             16, 8,  @IDEA],
    ['Crypt::Cipher::IDEA',     16, 8,  @IDEA],
    ['Crypt::CAST5',            16, 8,  @CAST5],
    ['Crypt::CAST5_PP',         16, 8,  @CAST5],
    ['Crypt::Cipher::CAST5',    16, 8,  @CAST5],
    ['Crypt::Twofish',          16, 16, @TWOFISH],
    ['Crypt::Cipher::Twofish',  32, 16, @TWOFISH],
);

my @warnings;
local $SIG{__WARN__} = sub { push @warnings, @_ };
for (@MODULES) {
    my ($module, $keysize, $blocksize, @vectors) = @$_;
    (my $file = "$module.pm") =~ s{::}{/}g;
    ok(eval { require $file }, "$module loads") or diag $@;
    ok($module->VERSION, 'with a version');
    is_deeply([$module->keysize, $module->blocksize], [$keysize, $blocksize], 'and tells its sizes');
    for my $vector (@vectors) {
        my ($key, $plain, $cipher) = map { unhex($_) } @$vector;
        my $object = $module->new($key);
        is_deeply([$object->keysize, $object->blocksize], [$keysize, $blocksize], 'so does an object');
        # The first is one call, the second makes what the third uses.
        is(unpack('H*', $object->encrypt($plain)), $vector->[2], "$module encrypts") for 1 .. 3;
        is(unpack('H*', $object->decrypt($cipher)), $vector->[1], 'and decrypts') for 1 .. 3;
    }
    eval { $module->new(unhex($vectors[0][0]))->encrypt('abc'); 1 } and next;
    like($@, qr/ at \Q$0\E line \d+\.?$/, 'a block of the wrong size is refused at the script\'s line');
}

# --- What the objects have in common

{
    my $cipher = Crypt::Blowfish->new('k' x 16);
    my $handles = sub { CPANBridge::Shared::bridge()->call('system.metrics')->{handle_summary}{chain} || 0 };
    my $before = $handles->();
    my $block = $cipher->encrypt('abcdefgh');
    is($handles->(), $before, 'one block leaves nothing in the broker');
    $cipher->encrypt('abcdefgh') for 1 .. 3;
    is($handles->(), $before + 1, 'more of them one handle');
    $@ = 'the script\'s';
    $cipher->encrypt('abcdefgh');
    is($@, 'the script\'s', 'the exception of the script stays');
    my $pid = open my $child, '-|';
    die $! if !defined $pid;
    if (!$pid) { print $cipher->encrypt('abcdefgh'); close STDOUT; require POSIX; POSIX::_exit(0) }
    is(do { local $/; readline $child }, $block, 'a child has a cipher of its own');
    close $child;
    is($cipher->encrypt('abcdefgh'), $block, 'and takes none from its parent');
    CPANBridge::Shared::bridge()->call('system.cleanup');
    CPANBridge::Shared::bridge()->call('system.free_handle', { label => $_->{label} })
        for @{ CPANBridge::Shared::bridge()->call('system.handles') };
    is($cipher->encrypt('abcdefgh'), $block, 'a cipher that the broker has no more is made again');
    undef $cipher;
    TestBroker::eventually(sub { $handles->() == 0 });
    is($handles->(), 0, 'and goes with the object');
    my $text = "caf\xe9 des";
    utf8::upgrade(my $flagged = $text);
    is(Crypt::DES->new('k' x 8)->encrypt($flagged), Crypt::DES->new('k' x 8)->encrypt($text), 'bytes are bytes, whatever Perl\'s flag');
    ok(!eval { Crypt::DES->new('k' x 8)->encrypt("\x{263a}1234567"); 1 }, 'a character that is none is refused');
    like($@, qr/Wide character .* at \Q$0\E line/, 'in words');
}

# --- Together with Crypt::CBC

require Crypt::CBC;
for my $module (qw(Crypt::Blowfish Crypt::Rijndael Crypt::DES Crypt::Twofish Crypt::Cipher::AES)) {
    my $key = 'k' x ($module->keysize || 56);
    for my $mode (qw(cbc pcbc cfb ofb ctr)) {
        my %common = (-header => 'none', -iv => 'i' x $module->blocksize, -chain_mode => $mode, -pbkdf => 'none', -literal_key => 1);
        my $named = Crypt::CBC->new(%common, -cipher => $module, -key => $key);
        my $given = Crypt::CBC->new(%common, -cipher => $module->new($key), -pass => '', -key => 'k' x ($module->keysize || 56));
        is($given->encrypt('a text of some blocks, and a rest'), $named->encrypt('a text of some blocks, and a rest'), "$module as an object, $mode");
    }
}
@warnings = grep { !/pre-initialized|set keysize/ } @warnings;

# --- Words of the originals

sub refused { my ($work, $words, $name) = @_; ok(!eval { $work->(); 1 }, $name); return like($@, qr/\A\Q$words\E at \Q$0\E line/, "$name: $words") }

refused(sub { Crypt::Blowfish->new },                   'Usage: Crypt::Blowfish::new(new Blowfish key)',        'no key');
refused(sub { Crypt::Blowfish->new('short') },          'Invalid length key',                                   'a short key');
refused(sub { Crypt::Blowfish->new('k' x 8)->encrypt }, 'Usage: Crypt::Blowfish::encrypt(encrypt data[8 bytes])', 'no block');
refused(sub { Crypt::DES->new('k' x 9) },               'Invalid key',                                          'a long key');
refused(sub { Crypt::DES->new('k' x 8)->decrypt('') },  'input must be 8 bytes long',                           'an empty block');
refused(sub { Crypt::Rijndael->new('k') },    'Wrong key length: key must be 128, 192 or 256 bits long', 'a short key');
refused(sub { Crypt::Rijndael->new('k' x 16, 4) },      'Illegal mode, see documentation for valid modes',      'a mode that the original refuses');
refused(sub { Crypt::Rijndael->new('k' x 16)->set_iv('x') },
    'set_iv: initial value must be the blocksize (16 bytes), but was 1 bytes', 'a short vector');
refused(sub { Crypt::CAST5->new->encrypt('x' x 8) }, 'Call init() first',          'no key yet');
refused(sub { Crypt::CAST5->new('k') },              'Key must be 40 to 128 bits', 'a short key');
refused(sub { Crypt::Twofish->new('k') },            'key must be 16, 24, or 32 bytes long', 'a short key');
refused(sub { Crypt::Cipher->new('ROT13', 'k') },    "FATAL: find_cipfer failed for 'ROT13'", 'a cipher that is none');
refused(sub { Crypt::Cipher::AES->new('k' x 16, 12) },
    'FATAL: cipher setup failed: Invalid number of rounds for block cipher.', 'rounds that do not fit');
is(Crypt::Blowfish_PP->new('short'), undef, 'this one gives no object instead');

# --- More than a block

{
    my $text = 'a text of exactly three blocks of AES, no rest..';
    my $rijndael = Crypt::Rijndael->new('k' x 16, Crypt::Rijndael::MODE_CBC());
    is(ref $rijndael->set_iv('i' x 16), 'Crypt::Rijndael', 'set_iv gives the object');
    my $first = $rijndael->encrypt($text);
    is($rijndael->encrypt($text), $first, 'Crypt::Rijndael begins with the vector every time');
    is($rijndael->decrypt($first, 'i' x 16), $text, 'or with the one that is given');
    my $openssl = Crypt::OpenSSL::AES->new('k' x 16, { cipher => 'AES-128-CBC', iv => 'i' x 16, padding => 1 });
    is(substr($openssl->encrypt($text), 0, 48), $first, 'Crypt::OpenSSL::AES as well');
    is($openssl->decrypt($openssl->encrypt("$text, and more")), "$text, and more", 'and pads');
    ok(!eval { Crypt::OpenSSL::AES->new('k' x 16, { cipher => 'AES-128-GCM' }); 1 }, 'a mode that is not offered is refused');
    my $large = 'x' x 1_000_000;
    my $ecb = Crypt::Rijndael->new('k' x 32);
    ok($ecb->decrypt($ecb->encrypt($large)) eq $large, 'a megabyte');
}

is_deeply(\@warnings, [], 'without a warning');

# --- Beside the originals, where they are installed: the same script in a process of each

{
    my $script = <<'END';
        my ($module, $file, $lengths) = @ARGV;
        require $file;
        srand 7;
        for my $length (split /,/, $lengths) {
            for (1 .. 20) {
                my $key = join '', map { chr int rand 256 } 1 .. $length;
                my $object = $module->new($key);
                my $block = join '', map { chr int rand 256 } 1 .. $module->blocksize;
                print unpack('H*', $object->encrypt($block)), unpack('H*', $object->decrypt($block)), "\n";
            }
        }
END
    for (['Crypt::Blowfish', '8,9,16,55,56'], ['Crypt::DES', 8], ['Crypt::Rijndael', '16,24,32'], ['Crypt::Cipher::AES', '16,24,32'],
        ['Crypt::Cipher::Blowfish', '8,56'], ['Crypt::Cipher::CAST5', '5,10,16'], ['Crypt::Cipher::DES_EDE', '16,24'],
        ['Crypt::Cipher::IDEA', 16], ['Crypt::Cipher::Twofish', '16,24,32'])
    {
        my ($module, $lengths) = @$_;
        (my $file = "$module.pm") =~ s{::}{/}g;
        my $with = sub {
            open my $out, '-|', $^X, @_, '-e', $script, $module, $file, $lengths or die $!;
            local $/;
            return readline $out;
        };
        SKIP: {
            local $ENV{PERL5LIB};
            delete $ENV{PERL5LIB};
            skip "the original $module is not here", 1 if !grep { !ref && !/compat/ && -e "$_/$file" } @INC;
            my $theirs = $with->();
            my $ours = $with->('-Iperl/lib', '-Iperl/compat');
            ok(length $theirs && $ours eq $theirs, "$module as the original");
        }
    }
}

done_testing;
