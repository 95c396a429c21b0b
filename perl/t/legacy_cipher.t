# Data at rest that the old daemon wrote (tests/data/legacy-cipher) is decrypted, through the existing interface.
use strict;
use warnings;
use lib 'perl/t/lib', 'perl/lib';
use Test::More;
use JSON::PP;
use File::Temp ();
use CPANBridge;
use TestBroker;

my $broker = TestBroker->start;
my $bridge = CPANBridge->new(socket => $broker->socket_path);

open my $file, '<', TestBroker::top() . '/tests/data/legacy-cipher/cases.json' or die $!;
my $cases = decode_json(do { local $/; readline $file });
ok(@$cases > 100, 'there are cases');
my $good = 0;
for my $case (@$cases) {
    # A key of characters is its UTF-8; JSON gives characters.
    utf8::encode(my $key = $case->{key});
    my $made = $bridge->call_python('crypto', 'new', { key => $key, cipher => $case->{cipher} });
    my $back = $bridge->call_python('crypto', 'decrypt',
        { cipher_id => $made->{result}{cipher_id}, hex_ciphertext => $case->{ciphertext_hex} });
    $good++ if $back->{success} && $back->{result}{decrypted_hex} eq $case->{plaintext_hex};
    diag "$case->{cipher}, $case->{what}: ", $made->{error} || $back->{error} || 'another plaintext' if !$back->{success};
}
is($good, @$cases, 'every case is decrypted');

# A key file: lines of dashes are emptied, line ends dropped.
my ($handle, $path) = File::Temp::tempfile(UNLINK => 1);
print {$handle} "-----BEGIN KEY-----\nmy secret \nkey\n-----END KEY-----\n";
close $handle;
my $made = $bridge->call_python('crypto', 'new', { key_file => $path });
ok($made->{success}, 'a key file') or diag $made->{error};
my $same = $bridge->call('crypto.new', { key => 'my secret key' })->{cipher_id};
my $hex = $bridge->call('crypto.encrypt', { cipher_id => $made->{cipher_id}, plaintext => 'Hello' })->{encrypted};
is($bridge->call('crypto.decrypt', { cipher_id => $same, hex_ciphertext => $hex })->{decrypted}, 'Hello', 'is the key that is in it');

done_testing;
