package URI::scp;

# scp, as ssh. See URI.

use strict;
use warnings;

use URI::ssh ();

our $VERSION = '5.17';
our @ISA = ('URI::ssh');


1;
