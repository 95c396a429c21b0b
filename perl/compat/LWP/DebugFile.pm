package LWP::DebugFile;

# Writes what LWP says to LWP::Debug to a file; that is nothing since 6.0.

use strict;
use warnings;

our $VERSION = '6.68';

require LWP::Debug;

1;
