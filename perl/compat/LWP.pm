package LWP;

# A stand-in for libwww-perl: its version, and its user agent.

use strict;
use warnings;

require LWP::UserAgent;

our $VERSION = '6.68';
sub Version { return $VERSION }

1;

__END__

=encoding utf8

=head1 NAME

LWP - a stand-in for libwww-perl, over the broker cpan-bridge

=head1 DESCRIPTION

C<use LWP> loads L<LWP::UserAgent>, where the rest is said.

=cut
