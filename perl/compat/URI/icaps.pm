package URI::icaps;

# icap over TLS. See URI.

use strict;
use warnings;

use URI::icap ();

our $VERSION = '5.17';
our @ISA = ('URI::icap');

sub secure { return 1 }

1;
