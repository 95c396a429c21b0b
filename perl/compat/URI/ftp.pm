package URI::ftp;

# ftp (RFC 1738, 3.2). See URI.

use strict;
use warnings;

use URI::_login ();

our $VERSION = '5.17';
our @ISA = ('URI::_login');

sub default_port { return 21 }
# A `?` is nothing special in it (RFC 1738, 3.2.2).
sub path { my $self = shift; return $self->path_query(@_) }

sub encrypt_mode { return undef }    ## no critic (ProhibitExplicitReturnUndef)

# Whom a server takes everybody for who says nothing (RFC 1635).
sub user {
    my ($self, @value) = @_;
    my $user = $self->SUPER::user(@value);
    return defined $user ? $user : 'anonymous';
}

sub password {
    my ($self, @value) = @_;
    my $password = $self->SUPER::password(@value);
    return $password if defined $password;
    return $self->user =~ /\A(?:anonymous|ftp)\z/ ? 'anonymous@' : undef;
}

1;
