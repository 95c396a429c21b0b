# examples/reencrypt.pl: moves records, stops and goes on.
use strict;
use warnings;
use lib 'perl/t/lib', 'perl/lib', 'perl/compat';
use Test::More;
use File::Temp ();
use CPANBridge;
use Crypt::CBC;
use TestBroker;

my $broker = TestBroker->start;
$ENV{CPAN_BRIDGE_SOCKET} = $broker->socket_path;
my $top = TestBroker::top();
my $directory = File::Temp::tempdir(CLEANUP => 1);
@ENV{qw(OLD_PASS NEW_PASS)} = ('old secret', 'new secret');

my @records = map { "record $_ " . 'x' x $_ } 1 .. 20;
my $old = Crypt::CBC->new(-pass => 'old secret', -cipher => 'Blowfish', -nodeprecate => 1);
my @lines = map { $old->encrypt_hex($_) . "\n" } @records;

sub write_old { open my $file, '>', "$directory/old" or die; print {$file} @_; close $file; return }
sub run { return scalar qx{$^X -I$top/perl/lib $top/examples/reencrypt.pl $directory/old $directory/new 2>&1} }

write_old(@lines[0 .. 6], "not hex at all\n", @lines[8 .. 19]);
like(run(), qr/line 8 can't be decrypted/, 'a record that is none stops it');
write_old(@lines);
# As if it had been stopped in the middle of a line.
{ open my $file, '>>', "$directory/new" or die; print {$file} 'abcdef'; close $file }
is(run(), "13 records moved, 7 were there already\n", 'it goes on where it was');
is(run(), "0 records moved, 20 were there already\n", 'and has nothing to do when it is done');

open my $new, '<', "$directory/new" or die $!;
my ($salt) = readline($new) =~ /salt=([0-9a-f]+)/;
my $bridge = CPANBridge->new;
my $cipher = $bridge->call('crypto.new', { cipher => 'AES-256-GCM', passphrase => 'new secret', salt => pack 'H*', $salt })->{cipher_id};
my $number = 0;
my @back = map {
    chomp;
    $bridge->call('crypto.decrypt', { cipher_id => $cipher, hex_ciphertext => $_, aad => ++$number . q() })->{decrypted}
} readline $new;
is_deeply(\@back, \@records, 'every record is there');

done_testing;
