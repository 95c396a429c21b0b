package URI::ldap;

# ldap (RFC 4516). See URI.

use strict;
use warnings;

use URI::_ldap ();
use URI::_server ();

our $VERSION = '5.17';
our @ISA = ('URI::_ldap', 'URI::_server');

sub default_port { return 389 }

sub canonical {
    my ($self) = @_;
    return $self->_canonical_fields($self->URI::_server::canonical);
}

1;
