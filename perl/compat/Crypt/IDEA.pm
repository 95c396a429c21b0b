package Crypt::IDEA;

# A stand-in for Crypt::IDEA 1.10 that needs core Perl only: the broker cpan-bridge computes. The original's class is IDEA; here
# Crypt::IDEA is one as well.

use strict;
use warnings;

use Carp qw(croak);
use CPANBridge::BlockCipher ();
use Exporter ();

our $VERSION   = '1.10';
our @ISA       = qw(CPANBridge::BlockCipher Exporter);
our @EXPORT_OK = ();

{
    package    # not to be indexed
        IDEA;
    our $VERSION = '1.10';
    our @ISA     = ('Crypt::IDEA');
}

sub blocksize { return 8 }
sub keysize   { return 16 }

sub new {
    my ($class, $key) = @_;
    croak 'Usage: IDEA::new - new IDEA key' if @_ != 2;
    return $class->keyed('IDEA', $class->checked_key($key, 16, 16, 'Invalid key'));
}

sub encrypt {
    croak 'Usage: IDEA::encrypt - encrypt data[8 bytes]' if @_ != 2;
    return CPANBridge::BlockCipher::encrypt(@_);
}

sub decrypt {
    croak 'Usage: IDEA::decrypt - decrypt data[8 bytes]' if @_ != 2;
    return CPANBridge::BlockCipher::decrypt(@_);
}

1;
