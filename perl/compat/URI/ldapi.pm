package URI::ldapi;

# ldap over a Unix domain socket. See URI.

use strict;
use warnings;

use URI::Escape ();
use URI::_generic ();
use URI::_ldap ();

our $VERSION = '5.17';
our @ISA = ('URI::_ldap', 'URI::_generic');

sub un_path {
    my ($self, @value) = @_;
    my $old = $self->authority;
    $self->authority(defined $value[0] ? URI::_generic::_escape_part($value[0], 'A-Za-z0-9\-._~') : undef) if @value;
    return defined $old ? URI::Escape::uri_unescape($old) : undef;
}

sub canonical {
    my ($self) = @_;
    return $self->_canonical_fields($self->URI::_generic::canonical);
}

1;
