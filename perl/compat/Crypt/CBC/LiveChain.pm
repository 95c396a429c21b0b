package Crypt::CBC::LiveChain;

# Chain modes in Perl, for a cipher that is an object or an installed class of the script's own: it is called block by
# block, as the original does.

use strict;
use warnings;

our $VERSION = '3.04';

sub new {
    my ($class, %fields) = @_;
    my $self = bless {%fields}, $class;
    $self->{step} = $class->can("_$self->{chain_mode}_$self->{direction}");
    return $self;
}

# As CPANBridge::Chain.
sub next {    ## no critic (ProhibitBuiltinHomonyms)
    my ($self, $result, $data, $length) = @_;
    my ($step, $cipher) = @{$self}{qw(step cipher)};
    for my $block (unpack "(a$self->{blocksize})*", $length == length $$data ? $$data : substr $$data, 0, $length) {
        $$result .= $step->($self, $cipher, $block);
    }
    return;
}

sub last {    ## no critic (ProhibitBuiltinHomonyms)
    my ($self, $result, $data, $length, $tail) = @_;
    $self->next($result, $data, $length);
    $self->next($result, \$tail, length $tail);
    return;
}

sub _cbc_encrypt {
    my ($self, $cipher, $block) = @_;
    return $self->{iv} = $cipher->encrypt($self->{iv} ^ $block);
}

sub _cbc_decrypt {
    my ($self, $cipher, $block) = @_;
    my $plain = $self->{iv} ^ $cipher->decrypt($block);
    $self->{iv} = $block;
    return $plain;
}

sub _pcbc_encrypt {
    my ($self, $cipher, $block) = @_;
    my $encrypted = $cipher->encrypt($self->{iv} ^ $block);
    $self->{iv} = $encrypted ^ $block;
    return $encrypted;
}

sub _pcbc_decrypt {
    my ($self, $cipher, $block) = @_;
    my $plain = $self->{iv} ^ $cipher->decrypt($block);
    $self->{iv} = $plain ^ $block;
    return $plain;
}

sub _cfb_encrypt {
    my ($self, $cipher, $block) = @_;
    return $self->{iv} = $block ^ $cipher->encrypt($self->{iv});
}

sub _cfb_decrypt {
    my ($self, $cipher, $block) = @_;
    my $plain = $block ^ $cipher->encrypt($self->{iv});
    $self->{iv} = $block;
    return $plain;
}

sub _ofb_encrypt {
    my ($self, $cipher, $block) = @_;
    $self->{iv} = $cipher->encrypt($self->{iv});
    return $block ^ substr $self->{iv}, 0, length $block;
}

sub _ctr_encrypt {
    my ($self, $cipher, $block) = @_;
    my $stream = $cipher->encrypt($self->{iv});
    # The vector is a number as wide as a block: add one, from the last byte on.
    for (my $at = length($self->{iv}) - 1; $at >= 0; $at--) {
        my $byte = (ord(substr $self->{iv}, $at, 1) + 1) & 0xff;
        substr $self->{iv}, $at, 1, chr $byte;
        last if $byte;
    }
    return $block ^ substr $stream, 0, length $block;
}

{
    no warnings 'once';
    *_ofb_decrypt = \&_ofb_encrypt;
    *_ctr_decrypt = \&_ctr_encrypt;
}

1;
