package Crypt::CBC::PBKDF;

# Key derivations of the stand-in for Crypt::CBC: from a salt and a pass phrase to a key and an initialization vector.

use strict;
use warnings;

use Carp qw(croak);
use File::Basename ();

our $VERSION = '3.04';

sub new {
    my ($class, $method, $options) = @_;
    my $package = __PACKAGE__ . "::$method";
    if (!$package->can('create')) {
        (my $file = "$package.pm") =~ s{::}{/}g;
        eval { require $file; 1 } or croak "Could not load $method: $@";
    }
    return $package->create(%{ $options || {} });
}

sub create {
    my ($class, %options) = @_;
    return bless { salt_len => 8, key_len => 32, iv_len => 16, map { $_ => $options{$_} } grep { $options{$_} } keys %options },
        $class;
}

sub list {
    my $directory = File::Basename::dirname(__FILE__) . '/PBKDF';
    opendir my $handle, $directory or return;
    return sort map { /\A(\w+)\.pm\z/ ? $1 : () } readdir $handle;
}

sub generate_hash {
    my ($self) = @_;
    croak 'generate() method not implemented in this class. Use one of the subclasses', join ',', $self->list;
}

sub key_and_iv {
    my ($self, @arguments) = @_;
    croak 'usage $obj->salt_key_iv($salt,$passphrase)' if @arguments != 2;
    my $hash = $self->generate_hash(@arguments);
    return (substr($hash, 0, $self->{key_len}), substr $hash, $self->{key_len}, $self->{iv_len});
}

# What OpenSSL's EVP_BytesToKey makes of them with one round: the digest of pass phrase and salt, again and again with the
# last digest before them. Digest::MD5 and Digest::SHA are core, and faster here than the way to the broker.
sub _evp_bytes_to_key {
    my ($self, $digest, $salt, $passphrase) = @_;
    my ($material, $last) = ('', '');
    $salt = '' if !defined $salt;
    while (length $material < $self->{key_len} + $self->{iv_len}) {
        $last = $digest->($last . $passphrase . $salt);
        $material .= $last;
    }
    return $material;
}

1;
