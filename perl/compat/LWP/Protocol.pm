package LWP::Protocol;

# Which class speaks which scheme.

use strict;
use warnings;

our $VERSION = '6.68';

my %CLASS = (http => 'LWP::Protocol::http', https => 'LWP::Protocol::https', file => 'LWP::Protocol::file');

sub implementor {
    my ($scheme, @class) = @_;
    $scheme = lc $scheme;
    $CLASS{$scheme} = $class[0] if @class;
    my $class = $CLASS{$scheme} or return '';
    (my $file = "$class.pm") =~ s{::}{/}g;
    require $file if !$class->can('request');
    return $class;
}

1;
