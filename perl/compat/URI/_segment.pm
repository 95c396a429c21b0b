package URI::_segment;

# A segment of a path with its parameters, as URI's path_segments gives it.

use strict;
use warnings;

our $VERSION = '5.17';

use overload '""' => sub { $_[0]->[0] }, fallback => 1;

sub new {
    my ($class, @parts) = @_;
    return bless \@parts, $class;
}

1;
