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
    qw(HTML::Entities HTML::Filter HTML::HeadParser HTML::LinkExtor HTML::Parser HTML::Parser::Argspec HTML::Parser::Document HTML::PullParser
        HTML::Tagset HTML::TokeParser),
    qw(Crypt::CBC Crypt::CBC::LiveChain Crypt::CBC::PBKDF), (map { "Crypt::CBC::PBKDF::$_" } qw(none opensslv1 opensslv2 pbkdf2 randomiv)),
    qw(LWP LWP::Authen::Basic LWP::Authen::Digest LWP::ConnCache LWP::Debug LWP::DebugFile LWP::MediaTypes LWP::MemberMixin LWP::Protocol
        LWP::Protocol::Collector LWP::Protocol::Forwarded LWP::Protocol::HeadParser LWP::Protocol::Kept LWP::Protocol::Listing
        LWP::Protocol::Passive LWP::Protocol::Stream LWP::Protocol::data LWP::Protocol::file LWP::Protocol::ftp LWP::Protocol::gopher
        LWP::Protocol::http LWP::Protocol::https LWP::Protocol::loopback LWP::Protocol::mailto LWP::Protocol::news LWP::Protocol::nntp LWP::Protocol::nogo LWP::RobotUA LWP::Simple LWP::UserAgent
        LWP::UserAgent::Handlers LWP::UserAgent::Proxies WWW::RobotRules WWW::RobotRules::InCore),
    qw(HTTP::Config HTTP::Cookies HTTP::Cookies::Netscape HTTP::Date HTTP::Headers HTTP::Headers::Auth HTTP::Headers::ETag HTTP::Headers::Util
        HTTP::Message HTTP::Negotiate HTTP::Request HTTP::Request::Common HTTP::Response HTTP::Status),
    qw(URI URI::Escape URI::Heuristic URI::IRI URI::QueryParam URI::Split URI::URL URI::WithBase URI::_emailauth URI::_foreign URI::_generic
        URI::_idna URI::_ldap URI::_login URI::_punycode URI::_query URI::_segment URI::_server URI::_userpass URI::data URI::file URI::ftp URI::ftpes
        URI::ftps URI::geo URI::gopher URI::http URI::https URI::icap URI::icaps URI::irc URI::ircs URI::ldap URI::ldapi URI::ldaps URI::mailto
        URI::mms URI::news URI::nntp URI::nntps URI::otpauth URI::pop URI::rlogin URI::rsync URI::rtsp URI::rtspu URI::scp URI::sftp URI::sip
        URI::sips URI::smb URI::smtp URI::snews URI::ssh URI::telnet URI::tn3270 URI::urn URI::ws URI::wss URI::file::Base URI::file::FAT
        URI::file::Mac URI::file::OS2 URI::file::QNX URI::file::Unix URI::file::Win32 URI::urn::isbn URI::urn::oid),
);

# One connection for all stand-ins of a process; after a fork the client opens the child's own.
my $BRIDGE;

sub bridge {
    $BRIDGE ||= CPANBridge->new;
    return $BRIDGE;
}

# The same for a call that may come from a signal's handler in the middle of another.
sub available_bridge {
    my $bridge = bridge();
    return $bridge->{ CPANBridge::KEY() }{user} ? $bridge->available : $bridge;
}

1;

__END__

=encoding utf8

=head1 NAME

CPANBridge::Shared - the client that the stand-ins of a process share

=head1 FUNCTIONS

=head2 bridge

    my $bridge = CPANBridge::Shared::bridge();

=head2 available_bridge

    my $bridge = CPANBridge::Shared::available_bridge();

The same, or one beside it while a call is under way.

=cut
