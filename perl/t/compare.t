# examples/compare.pl: equal results are shown as equal, others as what they are.
use strict;
use warnings;
use lib 'perl/t/lib';
use Test::More;
use File::Temp ();
use TestBroker;

# As the example needs it.
plan skip_all => 'JSON::PP is part of Perl since 5.14' if !eval { require JSON::PP; 1 };

my $top = TestBroker::top();
my $directory = File::Temp::tempdir(CLEANUP => 1);
sub calls {
    my ($name, @lines) = @_;
    open my $file, '>', "$directory/$name" or die $!;
    print $file map { "$_\n" } @lines;
    close $file;
    return "$directory/$name";
}
my @lines = (
    '{"module": "crypto", "function": "new", "params": {"key": "secret"}, "as": "cipher"}',
    '',
    '{"module": "crypto", "function": "encrypt", "params": {"cipher_id": "${cipher.cipher_id}", "plaintext": "Hello"}, "as": "sealed"}',
    '{"module": "crypto", "function": "decrypt", "params": {"cipher_id": "${cipher.cipher_id}", "hex_ciphertext": "${sealed.encrypted}"}}',
    '{"module": "crypto", "function": "hash", "params": {"data": "abc"}}',
    '{"module": "crypto", "function": "encrypt", "params": {"cipher_id": "none", "plaintext": "x"}}',
);
my $calls = calls('calls.json', @lines);

# Two installations: two brokers here.
my @printed = map {
    my $broker = TestBroker->start;
    local $ENV{CPAN_BRIDGE_SOCKET} = $broker->socket_path;
    scalar qx{$^X -I$top/perl/lib $top/examples/compare.pl $calls 2>&1};
} 1, 2;
is($printed[0], $printed[1], 'equal, though ciphers and ciphertexts are not');
my @results = split /\n/, $printed[0];
is(scalar @results, 5, 'a line a call');
like($results[0], qr/^crypto\.new \{.*"cipher_id":"\.\.\."/, 'what is different by nature is left out');
like($results[2], qr/"decrypted":"Hello"/, 'a result of an earlier call was used');
like($results[4], qr/"error":".*Invalid cipher ID/, 'an error is a result');
my $broker = TestBroker->start;
local $ENV{CPAN_BRIDGE_SOCKET} = $broker->socket_path;
my $other = calls('other.json', @lines[0, 2, 3], '{"module": "crypto", "function": "hash", "params": {"data": "abd"}}');
isnt(scalar qx{$^X -I$top/perl/lib $top/examples/compare.pl $other 2>&1}, join('', map { "$_\n" } @results[0 .. 3]), 'another result shows');
my $wrong = calls('wrong.json', '{"module": "test", "function": "echo", "params": {"a": "${nothing.here}"}}');
like(qx{$^X -I$top/perl/lib $top/examples/compare.pl $wrong 2>&1}, qr/^no earlier call is called nothing/, 'a mistake in the file is said');
like(qx{$^X -I$top/perl/lib $top/examples/compare.pl --ignore hash $calls 2>&1}, qr/"hash":"\.\.\."/, '--ignore');

done_testing;
