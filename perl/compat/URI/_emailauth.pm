package URI::_emailauth;

# A user with a way to log in, `user;AUTH=way` (RFC 2384). See URI.

use strict;
use warnings;

use URI::Escape ();
use URI::_server ();

our $VERSION = '5.17';
our @ISA = ('URI::_server');

sub _login {
    my ($self) = @_;
    my $userinfo = $self->userinfo;
    return if !defined $userinfo;
    my ($user, $auth) = $userinfo =~ /\A(.*?)(?:;auth=(.*))?\z/is;
    return ($user, $auth);
}

sub _set_login {
    my ($self, $user, $auth) = @_;
    return $self->userinfo(undef) if !defined $user && !defined $auth;
    return $self->userinfo((defined $user ? $user : '') . (defined $auth ? ";AUTH=$auth" : ''));
}

sub _escaped_login {
    my ($text) = @_;
    return defined $text ? URI::_generic::_escape_part($text, 'A-Za-z0-9\-._~+*&=') : undef;
}

sub user {
    my ($self, @value) = @_;
    my ($user, $auth) = $self->_login;
    $self->_set_login(_escaped_login($value[0]), $auth) if @value;
    return defined $user ? URI::Escape::uri_unescape($user) : undef;
}

sub auth {
    my ($self, @value) = @_;
    my ($user, $auth) = $self->_login;
    $self->_set_login($user, _escaped_login($value[0])) if @value;
    return defined $auth ? URI::Escape::uri_unescape($auth) : ();
}

1;
