package URI::_punycode;

# Punycode (RFC 3492), for URI::_idna.

use strict;
use warnings;

use Exporter 'import';

our $VERSION = '5.17';
our @EXPORT = qw(encode_punycode decode_punycode);

# RFC 3492, 5.
sub BASE ()         { 36 }
sub TMIN ()         { 1 }
sub TMAX ()         { 26 }
sub SKEW ()         { 38 }
sub DAMP ()         { 700 }
sub INITIAL_BIAS () { 72 }
sub INITIAL_N ()    { 128 }

# RFC 3492, 6.1.
sub _adapted {
    my ($delta, $points, $is_first) = @_;
    $delta = int $delta / ($is_first ? DAMP : 2);
    $delta += int $delta / $points;
    my $k = 0;
    while ($delta > int((BASE - TMIN) * TMAX / 2)) {
        $delta = int $delta / (BASE - TMIN);
        $k += BASE;
    }
    return $k + int((BASE - TMIN + 1) * $delta / ($delta + SKEW));
}

sub _threshold {
    my ($k, $bias) = @_;
    return $k <= $bias ? TMIN : $k >= $bias + TMAX ? TMAX : $k - $bias;
}

my @DIGIT = ('a' .. 'z', 0 .. 9);
my %VALUE = map { $DIGIT[$_] => $_ } 0 .. $#DIGIT;

# RFC 3492, 6.3.
sub encode_punycode {
    my ($text) = @_;
    return $text if $text !~ /[^\x00-\x7f]/;
    my @points = map { ord } split //, $text;
    my $out = join '', map { chr } grep { $_ < INITIAL_N } @points;
    my $done = my $basic = length $out;
    $out .= '-' if $basic;
    my ($n, $delta, $bias) = (INITIAL_N, 0, INITIAL_BIAS);
    while ($done < @points) {
        my ($next) = sort { $a <=> $b } grep { $_ >= $n } @points;
        $delta += ($next - $n) * ($done + 1);
        $n = $next;
        for my $point (@points) {
            $delta++ if $point < $n;
            next if $point != $n;
            my $q = $delta;
            for (my $k = BASE;; $k += BASE) {
                my $t = _threshold($k, $bias);
                last if $q < $t;
                $out .= $DIGIT[$t + ($q - $t) % (BASE - $t)];
                $q = int(($q - $t) / (BASE - $t));
            }
            $out .= $DIGIT[$q];
            $bias = _adapted($delta, $done + 1, $done == $basic);
            $delta = 0;
            $done++;
        }
        $delta++;
        $n++;
    }
    return $out;
}

# RFC 3492, 6.2.
sub decode_punycode {
    my ($text) = @_;
    my @out;
    my $rest = $text;
    if ($text =~ /\A(.*)-(.*)\z/s) {
        @out = map { ord } split //, $1;
        $rest = $2;
    }
    my ($n, $at, $bias) = (INITIAL_N, 0, INITIAL_BIAS);
    my @digits = split //, lc $rest;
    while (@digits) {
        my ($before, $weight) = ($at, 1);
        for (my $k = BASE;; $k += BASE) {
            my $digit = shift @digits;
            my $value = defined $digit ? $VALUE{$digit} : undef;
            die "invalid punycode\n" if !defined $value;
            $at += $value * $weight;
            my $t = _threshold($k, $bias);
            last if $value < $t;
            $weight *= BASE - $t;
            die "invalid punycode\n" if $weight > 0x7fff_ffff || $at > 0x7fff_ffff;
        }
        $bias = _adapted($at - $before, @out + 1, $before == 0);
        $n += int $at / (@out + 1);
        $at %= @out + 1;
        die "invalid punycode\n" if $n > 0x10_ffff;
        splice @out, $at++, 0, $n;
    }
    return join '', map { chr } @out;
}

1;
