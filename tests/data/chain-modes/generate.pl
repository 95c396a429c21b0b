#!/usr/bin/env perl
# Makes cases.json: what the real Crypt::CBC makes of each cipher in each chain mode, with the key and the initialization
# vector given and no padding. See README.md for what has to be installed.
use strict;
use warnings;

use Crypt::CBC 3.04;
use JSON::PP;

# Ours => the class, key lengths, block size.
my %ciphers = (
    AES      => ['Crypt::Cipher::AES',      [16, 24, 32], 16],
    Blowfish => ['Crypt::Cipher::Blowfish', [8, 16, 56],  8],
    CAST5    => ['Crypt::Cipher::CAST5',    [5, 16],      8],
    DES      => ['Crypt::Cipher::DES',      [8],          8],
    DES_EDE3 => ['Crypt::Cipher::DES_EDE',  [24],         8],
    IDEA     => ['Crypt::Cipher::IDEA',     [16],         8],
    Twofish  => ['Crypt::Cipher::Twofish',  [16, 24, 32], 16],
);

my $seed = 20_261_124;
sub random_bytes {
    return join '', map { $seed = ($seed * 1_103_515_245 + 12_345) % 2**31; chr(($seed >> 16) & 255) } 1 .. $_[0];
}

my @cases;
for my $name (sort keys %ciphers) {
    my ($class, $key_sizes, $block) = @{ $ciphers{$name} };
    for my $size (@$key_sizes) {
        for my $mode (qw(cbc pcbc cfb ofb ctr)) {
            # Crypt::CBC's counter mode works with blocks of 16 bytes only ("Invalid length for int128_t").
            next if $mode eq 'ctr' && $block != 16;
            # The last initialization vector makes a counter carry through all of its bytes but the first.
            for my $iv (random_bytes($block), "\x00" . "\xff" x ($block - 1)) {
                my @lengths = map { $_ * $block } 1, 2, 5;
                push @lengths, 1, $block - 1, $block + 1, 3 * $block + 5 if $mode !~ /cbc/;
                for my $length (@lengths) {
                    my ($key, $plaintext) = (random_bytes($size), random_bytes($length));
                    my $cipher = Crypt::CBC->new(
                        -cipher => $class, -literal_key => 1, -key => $key, -keysize => $size, -iv => $iv,
                        -header => 'none', -padding => 'none', -chain_mode => $mode,
                    );
                    my $ciphertext = $cipher->encrypt($plaintext);
                    # In CFB the original does not cut its last block: it encrypts zero bytes besides.
                    $plaintext .= "\0" x (length($ciphertext) - length $plaintext) if $mode eq 'cfb';
                    push @cases, {
                        cipher => $name, chain_mode => $mode, key => unpack('H*', $key), iv => unpack('H*', $iv),
                        plaintext => unpack('H*', $plaintext), ciphertext => unpack('H*', $ciphertext),
                    };
                }
            }
        }
    }
}
open my $file, '>', 'cases.json' or die "cases.json: $!";
print {$file} '[', join(",\n", map { JSON::PP->new->canonical->encode($_) } @cases), "]\n";
close $file or die "cases.json: $!";
print scalar @cases, " cases\n";
