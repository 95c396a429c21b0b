#!/usr/bin/env perl
# Crypt::CBC, whichever is found: messages and megabytes per second. Run by benches/run.sh, with the stand-in and with the
# original. Prints names and figures for it to compare.
use strict;
use warnings;
use lib 'benches';

use Crypt::CBC;
use Rate;

my ($seconds, $megabytes) = @ARGV;
my $derived = Crypt::CBC->new(-pass => 'secret', -pbkdf => 'pbkdf2', -cipher => 'Cipher::AES');
my $literal = Crypt::CBC->new(-key => 'k' x 32, -literal_key => 1, -header => 'none', -iv => 'i' x 16, -cipher => 'Cipher::AES');

sub rate { return Rate::report($seconds, @_) }

my $text = 'Hello from a script that has core Perl only';
rate('short messages with PBKDF2 /s', 1, sub { $derived->encrypt($text) });
rate('short messages with one key /s', 50, sub { $literal->encrypt($text) for 1 .. 50 });
my $bulk = 'x' x ($megabytes << 20);
rate("$megabytes MiB in one call, MiB/s", $megabytes, sub { $literal->encrypt($bulk) });
my $piece = 'x' x (1 << 20);
rate("$megabytes MiB streamed, MiB/s", $megabytes, sub {
    $literal->start('encrypting');
    $literal->crypt($piece) for 1 .. $megabytes;
    $literal->finish;
});

# A cipher that the original calls block by block, as scripts of its first ten years have it.
my $blowfish = Crypt::CBC->new(-key => 'k' x 56, -literal_key => 1, -header => 'none', -iv => 'i' x 8, -cipher => 'Blowfish');
my $few = int($megabytes / 8) || 1;
my $some = 'x' x ($few << 20);
rate("$few MiB of Blowfish, MiB/s", $few, sub { $blowfish->encrypt($some) });
