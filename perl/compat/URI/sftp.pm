package URI::sftp;

# sftp, as draft-ietf-secsh-scp-sftp-ssh-uri has it. See URI.

use strict;
use warnings;

use URI::ssh ();

our $VERSION = '5.17';
our @ISA = ('URI::ssh');


1;
