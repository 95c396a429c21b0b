package URI::file::QNX;

# Paths of QNX. See URI::file.

use strict;
use warnings;

use URI::file::Unix ();

our $VERSION = '5.17';
our @ISA = ('URI::file::Unix');

# //2 is a node.
sub _parts_of {
    my ($class, $path) = @_;
    return ($1, ($class->SUPER::_parts_of($2))[1]) if $path =~ m{\A//(\d+)(.*)\z}s;
    my $begin = $path =~ m{\A//} ? '/' : '';
    return (undef, $begin . ($class->SUPER::_parts_of($path))[1]);
}

1;
