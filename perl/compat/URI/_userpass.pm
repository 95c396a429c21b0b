package URI::_userpass;

# User and password in front of a server's name (RFC 1738, 3.1), for classes that have them. See URI.

use strict;
use warnings;

use URI::Escape ();

our $VERSION = '5.17';

# Both as they stand, and a new one, escaped but for what may stand.
sub _credentials {
    my ($self, $may_stand, @value) = @_;
    my $userinfo = $self->userinfo;
    my ($user, $password) = defined $userinfo ? split(/:/, $userinfo, 2) : ();
    $user = '' if defined $userinfo && !defined $user;
    my $new = @value && defined $value[0] ? URI::_generic::_escape_part($value[0], "A-Za-z0-9\\-._~$may_stand") : undef;
    return ($user, $password, $new);
}

sub user {
    my ($self, @value) = @_;
    my ($user, $password, $new) = $self->_credentials('', @value);
    if (@value) {
        my $nobody = !defined $new && !defined $password;
        $self->userinfo($nobody ? undef : join ':', defined $new ? $new : '', defined $password ? $password : ());
    }
    return defined $user ? URI::Escape::uri_unescape($user) : undef;
}

sub password {
    my ($self, @value) = @_;
    my ($user, $password, $new) = $self->_credentials(':;', @value);
    if (@value) {
        $user = '' if !defined $user;
        $self->userinfo(defined $new ? "$user:$new" : length $user ? $user : undef);
    }
    return defined $password ? URI::Escape::uri_unescape($password) : undef;
}

1;
