package URI::smtp;

# smtp, as draft-earhart-url-smtp has it. See URI.

use strict;
use warnings;

use URI::_emailauth ();

our $VERSION = '5.17';
our @ISA = ('URI::_emailauth');

sub default_port { return 25 }

1;
