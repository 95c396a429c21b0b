package URI::file::FAT;

# Paths of MS-DOS: names of eight characters and three. See URI::file.

use strict;
use warnings;

use URI::file::Win32 ();

our $VERSION = '5.17';
our @ISA = ('URI::file::Win32');

sub _name {
    my ($class, $name) = @_;
    my ($base, $end, @more) = split /\./, $name, -1;
    return undef if @more;    ## no critic (ProhibitExplicitReturnUndef)
    return uc substr(defined $base ? $base : '', 0, 8) . (defined $end && length $end ? '.' . substr $end, 0, 3 : '');
}

1;
