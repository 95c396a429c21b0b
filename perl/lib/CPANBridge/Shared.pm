package CPANBridge::Shared;

use strict;
use warnings;

use CPANBridge ();
use CPANBridge::Error ();

our $VERSION = '0.100';

# What stands on it: an error that is met there is the script's.
CPANBridge::Error::know(
    (map { "Crypt::$_" } qw(Blowfish Blowfish_PP CAST5 CAST5_PP DES DES_EDE3 DES_PP IDEA OpenSSL::AES Rijndael Rijndael_PP Twofish Cipher),
        map { "Cipher::$_" } qw(AES Blowfish CAST5 DES DES_EDE IDEA Twofish)),
    qw(JSON),
    qw(Crypt::CBC Crypt::CBC::LiveChain Crypt::CBC::PBKDF), (map { "Crypt::CBC::PBKDF::$_" } qw(none opensslv1 opensslv2 pbkdf2 randomiv)),
    qw(LWP LWP::Authen::Basic LWP::Authen::Digest LWP::ConnCache LWP::MediaTypes LWP::Protocol LWP::Protocol::Collector
        LWP::Protocol::HeadParser LWP::Protocol::file LWP::Protocol::http LWP::Protocol::https LWP::Simple LWP::UserAgent
        LWP::UserAgent::Handlers LWP::UserAgent::Proxies),
    qw(HTTP::Config HTTP::Cookies HTTP::Cookies::Netscape HTTP::Date HTTP::Headers HTTP::Headers::Util HTTP::Message HTTP::Request
        HTTP::Request::Common HTTP::Response HTTP::Status),
    qw(URI URI::Escape URI::QueryParam URI::_generic URI::_segment URI::_server URI::file URI::ftp URI::http URI::https URI::mailto),
);

# One connection for all stand-ins of a process; after a fork the client opens the child's own.
my $BRIDGE;

sub bridge {
    $BRIDGE ||= CPANBridge->new;
    return $BRIDGE;
}

1;

__END__

=encoding utf8

=head1 NAME

CPANBridge::Shared - the client that the stand-ins of a process share

=head1 FUNCTIONS

=head2 bridge

    my $bridge = CPANBridge::Shared::bridge();

=cut
