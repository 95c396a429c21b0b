package Crypt::CBC::PBKDF::pbkdf2;

# PBKDF2 with an HMAC, by the broker. A hasher object of Crypt::PBKDF2 is used as it is, in Perl.

use strict;
use warnings;

use Carp qw(croak);
use Crypt::CBC::PBKDF ();
use CPANBridge::Chain ();

our @ISA = ('Crypt::CBC::PBKDF');

my %DIGEST = (HMACSHA1 => 'SHA1', HMACSHA2 => 'SHA256');

sub create {
    my ($class, %options) = @_;
    my $self = $class->SUPER::create(%options);
    $self->{iterations} ||= 10_000;
    $self->{hash_class} ||= 'HMACSHA2';
    return $self;
}

sub generate_hash {
    my ($self, $salt, $passphrase) = @_;
    my $length = $self->{key_len} + $self->{iv_len};
    return $self->_with_object($salt, $passphrase, $length) if $self->{hasher};
    my $digest = $DIGEST{ $self->{hash_class} }
        or croak "the hash class $self->{hash_class} is not supported without Crypt::PBKDF2; HMACSHA1 and HMACSHA2 are";
    return CPANBridge::Chain::pbkdf2($digest, $passphrase, $salt, $self->{iterations}, $length);
}

# RFC 8018, section 5.2, with an object that computes the pseudo-random function.
sub _with_object {
    my ($self, $salt, $passphrase, $length) = @_;
    my $hasher = $self->{hasher};
    my ($material, $number) = ('', 0);
    while (length $material < $length) {
        my $block = my $last = $hasher->generate($salt . pack('N', ++$number), $passphrase);
        for (2 .. $self->{iterations}) {
            $last = $hasher->generate($last, $passphrase);
            $block ^= $last;
        }
        $material .= $block;
    }
    return substr $material, 0, $length;
}

1;
