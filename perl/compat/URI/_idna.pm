package URI::_idna;

# Names of hosts beyond ASCII (RFC 3490), for URI::_server.

use strict;
use warnings;

use URI::_punycode ();

our $VERSION = '5.17';

# Every character that separates labels (RFC 3490, 3.1).
my $DOT = qr/[.\x{3002}\x{ff0e}\x{ff61}]/;

sub encode {
    my ($name) = @_;
    my @labels = split $DOT, $name, -1;
    my $is_ended = @labels > 1 && $labels[-1] eq '' ? pop @labels : undef;
    return join '.', (map { to_ascii($_) } @labels), defined $is_ended ? '' : ();
}

sub decode {
    my ($name) = @_;
    return join '.', map { to_unicode($_) } split /\./, $name, -1;
}

# Without case. What is compatible is not composed, as the original leaves it.
sub nameprep {
    my ($label) = @_;
    return lc $label;
}

sub check_size {
    my ($label) = @_;
    die "Label empty\n" if $label eq '';
    die "Label too long\n" if length $label > 63;
    return $label;
}

sub to_ascii {
    my ($label) = @_;
    return check_size($label) if $label !~ /[^\x00-\x7f]/;
    $label = nameprep($label);
    return check_size($label) if $label !~ /[^\x00-\x7f]/;
    die "Label starts with ACE prefix\n" if $label =~ /\Axn--/;
    return check_size('xn--' . URI::_punycode::encode_punycode($label));
}

sub to_unicode {
    my ($label) = @_;
    my $old = $label;
    $label = nameprep($label) if $label =~ /[^\x00-\x7f]/;
    return $old if $label !~ s/\Axn--//i;
    my $decoded = do { local ($@, $SIG{__DIE__}); eval { URI::_punycode::decode_punycode($label) } };
    return defined $decoded ? $decoded : $old;
}

1;
