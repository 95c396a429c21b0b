package URI::ldaps;

# ldap over TLS. See URI.

use strict;
use warnings;

use URI::ldap ();

our $VERSION = '5.17';
our @ISA = ('URI::ldap');

sub default_port { return 636 }
sub secure       { return 1 }

1;
