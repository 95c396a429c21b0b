#!/usr/bin/env perl
# Makes cases.json: what the real Crypt::CBC makes of messages, by ciphers, chain modes, paddings, headers, key derivations
# and lengths. See README.md for what has to be installed.
use strict;
use warnings;

use Crypt::CBC 3.04;
use Digest::SHA qw(sha256_hex);
use JSON::PP;

die "this is the stand-in\n" if $INC{'Crypt/CBC.pm'} =~ /compat/;

# Class as scripts name it => key size, block size.
my %ciphers = (
    'Crypt::Cipher::AES' => [32, 16], 'Cipher::AES' => [32, 16], 'Crypt::Rijndael' => [32, 16], 'Rijndael' => [32, 16],
    'Crypt::Blowfish' => [56, 8], 'Blowfish' => [56, 8], 'Crypt::DES' => [8, 8], 'DES' => [8, 8],
    'Crypt::Cipher::DES_EDE' => [24, 8], 'Crypt::Cipher::CAST5' => [16, 8], 'Crypt::Cipher::IDEA' => [16, 8],
    'Crypt::Cipher::Twofish' => [32, 16],
);

my $seed = 20_261_124;
sub random_bytes {
    return join '', map { $seed = ($seed * 1_103_515_245 + 12_345) % 2**31; chr(($seed >> 16) & 255) } 1 .. $_[0];
}

my @cases;
sub add {
    my ($plaintext, %options) = @_;
    my $ciphertext = Crypt::CBC->new(%options, -nodeprecate => 1)->encrypt($plaintext);
    # What is not text goes as hex; what is large as its digest, with the plaintext being one byte again and again.
    my %case = (options => { map { ($_ => /-(?:key|pass|iv|salt)\z/ ? unpack('H*', $options{$_}) : $options{$_}) } keys %options });
    if (length $plaintext > 1000) {
        @case{qw(byte length sha256)} = (ord $plaintext, length $plaintext, sha256_hex($ciphertext));
    }
    else {
        @case{qw(plaintext ciphertext)} = map { unpack 'H*', $_ } $plaintext, $ciphertext;
    }
    push @cases, \%case;
    return;
}

for my $class (sort keys %ciphers) {
    my ($keysize, $block) = @{ $ciphers{$class} };
    for my $mode (qw(cbc pcbc cfb ofb ctr)) {
        next if $mode eq 'ctr' && $block != 16;
        my $count = 0;
        for my $padding (qw(standard oneandzeroes space null none rijndael_compat)) {
            next if $mode !~ /cbc/ && $padding ne 'standard';
            for my $length (0, 1, $block - 1, $block, $block + 1) {
                next if $padding eq 'rijndael_compat' && $length % $block;
                my $pbkdf = (qw(opensslv1 opensslv2 pbkdf2))[$count++ % 3];
                my %common = (-cipher => $class, -chain_mode => $mode, -padding => $padding);
                add(random_bytes($length), %common, -pass => random_bytes(12), -salt => random_bytes(8), -pbkdf => $pbkdf,
                    $pbkdf eq 'pbkdf2' ? (-iter => 100) : ());
                add(random_bytes($length), %common, -key => random_bytes($keysize), -literal_key => 1,
                    -iv => random_bytes($block), -header => 'none');
            }
        }
    }
    add('x' x (1 << 20), -cipher => $class, -pass => 'large', -salt => 'pepperoo', -pbkdf => 'opensslv2');
}
add('Hello', -cipher => 'Crypt::Cipher::AES', -pass => 'secret', -salt => '12345678', -pbkdf => 'pbkdf2');
add('Hello', -cipher => 'Crypt::Cipher::AES', -pass => 'secret', -salt => '12345678', -pbkdf => 'pbkdf2', -hasher => 'HMACSHA1');
add('Hello', -cipher => 'Crypt::Cipher::AES', -keysize => 16, -pass => 'secret', -salt => '12345678', -pbkdf => 'pbkdf2');
add('Hello', -cipher => 'Blowfish', -pass => 'secret', -header => 'none', -salt => '12345678', -iv => 'initvect');
add('Hello', -cipher => 'Blowfish', -pass => 'secret', -header => 'randomiv', -iv => 'initvect');

open my $file, '>', 'cases.json' or die "cases.json: $!";
print {$file} '[', join(",\n", map { JSON::PP->new->canonical->encode($_) } @cases), "]\n";
close $file or die "cases.json: $!";
print scalar @cases, " cases\n";
