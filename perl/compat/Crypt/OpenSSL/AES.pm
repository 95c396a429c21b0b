package Crypt::OpenSSL::AES;

# A stand-in for Crypt::OpenSSL::AES that needs core Perl only: the broker cpan-bridge computes.

use strict;
use warnings;

use Carp qw(croak);
use CPANBridge::BlockCipher ();

our $VERSION = '0.09';
our @ISA     = ('CPANBridge::BlockCipher');

my %IS_STREAM = map { $_ => 1 } qw(cfb ofb ctr);

sub blocksize { return 16 }
sub keysize   { return 32 }

sub new {
    my ($class, $key, $options) = @_;
    croak 'Key must be a scalar' if !defined $key || ref $key;
    my $bits = 8 * length $key;
    croak 'The key must be 128, 192 or 256 bits long' if $bits !~ /\A(?:128|192|256)\z/;
    my %options = ref $options eq 'HASH' ? %$options : ();
    my $name = defined $options{cipher} ? uc $options{cipher} : "AES-$bits-ECB";
    my ($named_bits, $mode) = $name =~ /\AAES-(128|192|256)-(ECB|CBC|CFB|CFB128|OFB|CTR)\z/
        or croak "You specified an unsupported cipher: $options{cipher}";
    croak "The key is $bits bits long, and $name takes $named_bits" if $bits != $named_bits;
    ($mode) = lc($mode) =~ /\A([a-z]+)/;
    my $iv = $options{iv};
    croak 'AES: Initialization vector must be 16 bytes long' if $mode ne 'ecb' && (!defined $iv || length $iv != 16);
    my $self = $class->keyed('AES', $key);
    @{$self}{qw(chain_mode iv padding)} = ($mode, $iv, $options{padding} && !$IS_STREAM{$mode} ? 1 : 0);
    return $self;
}

sub encrypt {
    my ($self, $data) = @_;
    $data = '' if !defined $data;
    if ($self->{padding}) {
        my $missing = 16 - length($data) % 16;
        $data .= chr($missing) x $missing;
    }
    return $self->_through('encrypt', $data);
}

sub decrypt {
    my ($self, $data) = @_;
    my $plaintext = $self->_through('decrypt', defined $data ? $data : '');
    return $plaintext if !$self->{padding};
    my $padding = length $plaintext ? ord substr $plaintext, -1 : 0;
    croak 'The padding is wrong: another key, or not what encrypt made'
        if $padding < 1 || $padding > 16 || substr($plaintext, -$padding) ne chr($padding) x $padding;
    return substr $plaintext, 0, -$padding;
}

sub _through {
    my ($self, $direction, $data) = @_;
    my $mode = $self->{chain_mode};
    croak 'AES: Data size must be multiple of blocksize (16 bytes)' if !$IS_STREAM{$mode} && length($data) % 16;
    return '' if !length $data;
    return $mode eq 'ecb' ? $self->blocks($direction, $data) : $self->chained($mode, $direction, $self->{iv}, $data);
}

1;
