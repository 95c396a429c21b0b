package HTTP::Date;

# A stand-in for HTTP::Date, written from the original's documentation.

use strict;
use warnings;

use Exporter ();
use Time::Local ();

our $VERSION = '6.05';
our @ISA = ('Exporter');
our @EXPORT = qw(time2str str2time);
our @EXPORT_OK = qw(parse_date time2iso time2isoz);

my @DAYS   = qw(Sun Mon Tue Wed Thu Fri Sat);
my @MONTHS = qw(Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec);
my %MONTH  = map { lc $MONTHS[$_] => $_ + 1 } 0 .. 11;
my %ZONE   = (UTC => 0, UT => 0, GMT => 0, Z => 0);

# What nobody writes a date with; it bounds what the patterns below can be made to try.
sub LONGEST () { 64 }

# Names of zones in hours east of Greenwich, as TimeDate's Time::Zone has them, which the original asks where it is installed.
my %HOURS = (
    WET => 0, WEST => 1, BST => 1, IST => 1, CET => 1, MET => 1, MEWT => 1, SWT => 1, FWT => 1, MEZ => 1, CEST => 2, MEST => 2, MESZ => 2, SST => 2, FST => 2,
    EET => 2, EEST => 3, BT => 3, MSK => 3, MSD => 4, ZP4 => 4, ZP5 => 5, ZP6 => 6, WAST => 7, WADT => 8, CCT => 8, JST => 9, KST => 9, CAST => 9.5,
    CADT => 10.5, EAST => 10, GST => 10, EADT => 11, IDLE => 12, NZST => 12, NZT => 12, NZDT => 13, AT => -2, WAT => -1, NDT => -2.5, NFT => -3.5,
    NST => -3.5, ADT => -3, AST => -4, EDT => -4, EST => -5, CDT => -5, CST => -6, MDT => -6, MST => -7, PDT => -7, PST => -8, YDT => -8, YST => -9,
    AKDT => -8, AKST => -9, HDT => -9, HST => -10, AHST => -10, CAT => -10, NT => -11, IDLW => -12,
);

sub time2str {
    my ($time) = @_;
    $time = time if !defined $time;
    my ($second, $minute, $hour, $day, $month, $year, $weekday) = gmtime $time;
    return sprintf '%s, %02d %s %04d %02d:%02d:%02d GMT', $DAYS[$weekday], $day, $MONTHS[$month], $year + 1900, $hour, $minute, $second;
}

sub str2time {
    my ($text, $default_zone) = @_;
    return undef if !defined $text;    ## no critic (ProhibitExplicitReturnUndef)
    # The usual form needs no looking around.
    if ($text =~ /\A[SMTWF][a-z][a-z], ([0-9]{2}) ([JFMASOND][a-z][a-z]) ([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) GMT\z/) {
        my $month = $MONTH{ lc $2 } or return undef;    ## no critic (ProhibitExplicitReturnUndef)
        my ($day, $year, $hour, $minute, $second) = ($1, $3, $4, $5, $6);
        return eval { my $time = Time::Local::timegm($second, $minute, $hour, $day, $month - 1, $year); $time < 0 ? undef : $time };
    }
    my ($year, $month, $day, $hour, $minute, $second, $zone) = parse_date($text)
        or return undef;    ## no critic (ProhibitExplicitReturnUndef)
    my $fraction = $second =~ s/(\.\d+)\z// ? $1 : 0;
    $zone = $default_zone if !defined $zone;
    my $offset = _offset($zone);
    # A zone that nobody knows is no time.
    return undef if defined $zone && !defined $offset;    ## no critic (ProhibitExplicitReturnUndef)
    return eval {
        # Years as they are written: the library has ideas of its own on years of two digits.
        my @time = ($second, $minute, $hour, $day, $month - 1, $year);
        my $time = defined $offset ? Time::Local::timegm(@time) - $offset : Time::Local::timelocal(@time);
        $time < 0 ? undef : $time + $fraction;
    };
}

# Seconds east of Greenwich.
sub _offset {
    my ($zone) = @_;
    return if !defined $zone;
    return $ZONE{ uc $zone } if exists $ZONE{ uc $zone };
    return $HOURS{ uc $zone } * 3600 if exists $HOURS{ uc $zone };
    return (defined $1 && $1 eq '-' ? -1 : 1) * 60 * (60 * $2 + ($3 || 0)) if $zone =~ /\A([-+])?(\d\d?):?(\d\d)?\z/;
    return;
}

sub parse_date {
    my ($text) = @_;
    return if !defined $text || length $text > LONGEST;
    # Digits of ASCII: others have no value for Perl.
    return if $text =~ /[^\x00-\x7f]/;
    my ($day, $month, $year, $hour, $minute, $second, $zone, $half);
    $text =~ s/\A\s+//;
    # The name of the day says nothing.
    $text =~ s/\A(?:Sun|Mon|Tue|Wed|Thu|Fri|Sat)[a-z]*,?\s*//i;
    my $clock = qr/(\d\d?):(\d\d)(?::(\d\d))?/;
    my $offset = qr/([-+]?\d{2,4}(?=\s+GMT\s*\z)|[-+]?\d{2,4}|(?![APap][Mm]\b)[A-Za-z]+|[-+]\d\d?:\d\d)/;
    if ($text =~ /\A(\d\d?)(?:\s+|[-\/])(\w+)(?:\s+|[-\/])(\d+)(?:(?:\s+|:)$clock)?\s*$offset?\s*(?:\(\w+\)|GMT)?\s*\z/i) {
        ($day, $month, $year, $hour, $minute, $second, $zone) = ($1, $2, $3, $4, $5, $6, $7);
    }
    elsif ($text =~ /\A(\w{1,3})\s+(\d\d?)\s+$clock\s+(?:$offset\s+)?(\d+)\s*\z/) {
        ($month, $day, $hour, $minute, $second, $zone, $year) = ($1, $2, $3, $4, $5, $6, $7);
    }
    elsif ($text =~ /\A(\w{3})\s+(\d\d?)\s+(?:(\d\d\d\d)|(\d{1,2}):(\d{2})(?::(\d\d))?)\s*\z/) {
        ($month, $day, $year, $hour, $minute, $second) = ($1, $2, $3, $4, $5, $6);
    }
    elsif ($text =~ /\A(\d{4})[-\/]?(\d\d?)[-\/]?(\d\d?)(?:(?:\s+|[-:Tt])(\d\d?):?(\d\d)(?::?(\d\d(?:\.\d*)?))?)?\s*([-+]?\d\d?:?(?:\d\d)?|Z|z)?\s*\z/) {
        ($year, $month, $day, $hour, $minute, $second, $zone) = ($1, $2, $3, $4, $5, $6, $7);
    }
    elsif ($text =~ /\A(\d{2})-(\d{2})-(\d{2}|\d{4})\s+(\d\d?):(\d\d)([APap][Mm])\s*\z/) {
        ($month, $day, $year, $hour, $minute, $half) = ($1, $2, $3, $4, $5, $6);
    }
    else {
        return;
    }
    $month = $MONTH{ lc $month } || ($month =~ /\A\d\d?\z/ ? $month : return);
    $month += 0;
    return if $month < 1 || $month > 12;
    if (!defined $year) {
        # As ls(1) has it: the last such day.
        my ($this_month, $this_year) = (localtime)[4, 5];
        $year = $this_year + 1900 - ($this_month + 1 < $month ? 1 : 0);
    }
    elsif (length $year < 3) {
        my $this_year = (localtime)[5] + 1900;
        my ($century, $in_century) = ($this_year - $this_year % 100, $this_year % 100);
        $year += $century;
        $year += 100 if $year - $this_year < -50;
        $year -= 100 if $year - $this_year > 50;
    }
    $_ = defined $_ ? $_ : 0 for $hour, $minute, $second;
    if ($half) {
        $hour = 0 if $hour == 12;
        $hour += 12 if lc $half eq 'pm';
    }
    return if $hour > 24 || $minute > 59;
    return ($year, $month, $day, $hour, $minute, $second, $zone) if wantarray;
    $zone = !defined $zone ? '' : $zone =~ /\A(?:GMT|UTC?|[-+]?0+)\z/ ? 'Z' : $zone;
    # As a text a date has whole seconds.
    return sprintf '%04d-%02d-%02d %02d:%02d:%02d%s', $year, $month, $day, $hour, $minute, $second, $zone;
}

sub time2iso {
    my ($time) = @_;
    $time = time if !defined $time;
    my ($second, $minute, $hour, $day, $month, $year) = localtime $time;
    return sprintf '%04d-%02d-%02d %02d:%02d:%02d', $year + 1900, $month + 1, $day, $hour, $minute, $second;
}

sub time2isoz {
    my ($time) = @_;
    $time = time if !defined $time;
    my ($second, $minute, $hour, $day, $month, $year) = gmtime $time;
    return sprintf '%04d-%02d-%02d %02d:%02d:%02dZ', $year + 1900, $month + 1, $day, $hour, $minute, $second;
}

1;

__END__

=encoding utf8

=head1 NAME

HTTP::Date - a stand-in for HTTP::Date, core Perl only

=head1 FUNCTIONS

C<time2str>, C<str2time>, C<parse_date>, C<time2iso>, C<time2isoz>: as in the original (L<https://metacpan.org/pod/HTTP::Date>).
Time zones are known as offsets and by the usual names (C<GMT>, C<UTC>, C<Z>, C<EST>, C<CEST>, ...); the original knows names only with Time::Zone.

=cut
