package Crypt::CBC::PBKDF::randomiv;

# What the first versions of Crypt::CBC did: MD5 of the pass phrase, again and again, and a random initialization vector.

use strict;
use warnings;

use Crypt::CBC::PBKDF ();
use Digest::MD5 ();

our @ISA = ('Crypt::CBC::PBKDF');

sub generate_hash {
    my ($self, undef, $passphrase) = @_;
    my $material = Digest::MD5::md5($passphrase);
    while (length $material < $self->{key_len}) {
        $material .= Digest::MD5::md5($material);
    }
    return substr($material, 0, $self->{key_len}) . Crypt::CBC->random_bytes($self->{iv_len});
}

1;
