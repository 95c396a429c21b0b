package CPANBridge::HTTP::Proxy;

use strict;
use warnings;

our $VERSION = '0.100';

# The proxy of an object with HTTP::Tiny's attributes, for a host.
sub of_tiny {
    my ($http, $scheme, $host) = @_;
    my $proxy = $http->{"${scheme}_proxy"};
    $proxy = $http->{proxy} if !defined $proxy;
    return if !defined $proxy || !length $proxy;
    return is_exempt($host, @{ $http->{no_proxy} || [] }) ? undef : $proxy;
}

# Whether a host is reached without: names and the names below them.
sub is_exempt {
    my ($host, @rules) = @_;
    for my $rule (@rules) {
        next if !defined $rule || !length $rule;
        return 1 if $rule eq '*';
        (my $name = $rule) =~ s/\A\.//;
        return 1 if $host =~ /(?:\A|\.)\Q$name\E\z/i;
    }
    return 0;
}

1;

__END__

=encoding utf8

=head1 NAME

CPANBridge::HTTP::Proxy - which requests go through a proxy (used by CPANBridge::HTTP and the stand-ins)

=head1 FUNCTIONS

=head2 of_tiny

    my $proxy = CPANBridge::HTTP::Proxy::of_tiny($http, 'https', $host);

By the attributes of L<CPANBridge::HTTP>; undef for none.

=head2 is_exempt

    my $whether = CPANBridge::HTTP::Proxy::is_exempt($host, @names);

=cut
