#!/usr/bin/env perl
# Moves a file of records from Crypt::CBC to authenticated encryption, a record a line, in hex. Can be stopped at any time
# and started again: it goes on behind the last whole line of the new file.
#
#   OLD_PASS=... NEW_PASS=... reencrypt.pl OLD-FILE NEW-FILE
#
# The new file's first line holds the salt. Every record is bound to its place (`aad` is its number), so that records
# that are exchanged or left out are noticed.
use strict;
use warnings;

use CPANBridge::Compat;
use CPANBridge;
use Crypt::CBC;

my ($old_path, $new_path) = @ARGV;
die "usage: OLD_PASS=... NEW_PASS=... $0 OLD-FILE NEW-FILE\n" if @ARGV != 2;
my ($old_pass, $new_pass) = map { defined $ENV{$_} ? $ENV{$_} : die "$_ is not set\n" } qw(OLD_PASS NEW_PASS);

# As the old data was written; see perldoc Crypt::CBC for what else there may be.
my $old = Crypt::CBC->new(-pass => $old_pass, -cipher => $ENV{OLD_CIPHER} || 'Blowfish', -nodeprecate => 1);
my $bridge = CPANBridge->new;

open my $in, '<', $old_path or die "$old_path: $!\n";
open my $out, '+>>', $new_path or die "$new_path: $!\n";
my ($salt, $done) = resume($out);
if (!defined $salt) {
    $salt = $bridge->call('crypto.random_bytes', { length => 16 })->{bytes_hex};
    append($out, "# AES-256-GCM salt=$salt");
}
my $cipher = $bridge->call('crypto.new',
    { cipher => 'AES-256-GCM', passphrase => $new_pass, salt => pack 'H*', $salt })->{cipher_id};

my ($number, $moved) = (0, 0);
while (my $line = readline $in) {
    $number++;
    next if $number <= $done;
    chomp $line;
    my $record = eval { $old->decrypt_hex($line) };
    die "$old_path line $number can't be decrypted: $@" if !defined $record;
    append($out, $bridge->call('crypto.encrypt', { cipher_id => $cipher, plaintext_hex => unpack('H*', $record), aad => "$number" })->{encrypted});
    $moved++;
}
$bridge->call('crypto.cleanup_cipher', { cipher_id => $cipher });
close $out or die "$new_path: $!\n";
print "$moved records moved, $done were there already\n";

# What a former run has left: the salt, and how many whole records. Half a line is cut off.
sub resume {
    my ($file) = @_;
    seek $file, 0, 0;
    my ($first, $lines, $end) = (undef, 0, 0);
    while (my $line = readline $file) {
        last if $line !~ /\n\z/;
        $first = $line if !$lines++;
        $end = tell $file;
    }
    truncate $file, $end or die "$new_path: $!\n";
    return (undef, 0) if !$lines;
    my ($found) = $first =~ /\A# AES-256-GCM salt=([0-9a-f]+)$/ or die "$new_path is not one of this script's files\n";
    return ($found, $lines - 1);
}

sub append {
    my ($file, $line) = @_;
    # Unbuffered, so that what is there is what was done.
    defined syswrite $file, "$line\n" or die "$new_path: $!\n";
    return;
}
