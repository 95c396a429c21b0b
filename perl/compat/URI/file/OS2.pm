package URI::file::OS2;

# Paths of OS/2. See URI::file.

use strict;
use warnings;

use URI::file::Win32 ();

our $VERSION = '5.17';
our @ISA = ('URI::file::Win32');

1;
