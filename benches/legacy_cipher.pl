#!/usr/bin/env perl
# The old daemon's cipher functions: messages and megabytes per second from Perl. Run by benches/run.sh.
use strict;
use warnings;
use lib 'benches';

use CPANBridge;
use Rate;

my ($seconds) = @ARGV;
my $bridge = CPANBridge->new;

sub value {
    my ($function, $params) = @_;
    my $answer = $bridge->call_python('crypto', $function, $params);
    die "$function: $answer->{error}\n" if !$answer->{success};
    return $answer->{result};
}

sub rate { return Rate::report($seconds, @_) }

my $cipher_id = value('new', { key => 'a secret of some length', cipher => 'AES' })->{cipher_id};
my $text = 'Hello from a script that has core Perl only';
rate('encrypt and decrypt a short text /s', 1, sub {
    my $hex = value('encrypt', { cipher_id => $cipher_id, plaintext => $text })->{encrypted};
    value('decrypt', { cipher_id => $cipher_id, hex_ciphertext => $hex });
});
my $large = 'x' x (4 << 20);
rate('encrypt and decrypt 4 MiB, MiB/s', 4, sub {
    my $hex = value('encrypt', { cipher_id => $cipher_id, plaintext => $large })->{encrypted};
    value('decrypt', { cipher_id => $cipher_id, hex_ciphertext => $hex });
});
value('cleanup_cipher', { cipher_id => $cipher_id });
