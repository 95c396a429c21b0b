package URI::_login;

# A server that is logged in to. See URI.

use strict;
use warnings;

use URI::_server ();
use URI::_userpass ();

our $VERSION = '5.17';
our @ISA = ('URI::_server', 'URI::_userpass');

1;
