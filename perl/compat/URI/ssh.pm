package URI::ssh;

# ssh, as draft-ietf-secsh-scp-sftp-ssh-uri has it. See URI.

use strict;
use warnings;

use URI::_login ();

our $VERSION = '5.17';
our @ISA = ('URI::_login');

sub default_port { return 22 }
sub secure       { return 1 }

1;
