package Chart;

# Charts as SVG: lines over labelled places of equal distance, and bars. They stand alone in a page of any brightness.

use strict;
use warnings;

use constant { WIDTH => 640, HEIGHT => 300, LEFT => 70, RIGHT => 12, TOP => 34, BOTTOM => 54 };
# Told apart by those who see colours differently, and in print by their lightness (Okabe and Ito, 2008).
my @COLOURS = ('#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9');

# lines(title => ..., unit => what the values are, places => [labels], lines => [[name, [values]], ...], log => whether each step
# up is ten times as much). Values that are not there are undef.
sub lines {
    my (%chart) = @_;
    my $scale = _scale($chart{log}, map { grep { defined } @{ $_->[1] } } @{ $chart{lines} });
    my $places = $chart{places};
    my $step = (WIDTH - LEFT - RIGHT) / (@$places > 1 ? $#$places : 1);
    my $svg = _begin(\%chart, $scale);
    for my $index (0 .. $#$places) {
        my $anchor = $index == 0 ? 'start' : $index == $#$places ? 'end' : 'middle';
        $svg .= _text(LEFT + $index * $step, HEIGHT - BOTTOM + 16, $places->[$index], $anchor);
    }
    my $number = 0;
    for my $line (@{ $chart{lines} }) {
        my ($name, $values) = @$line;
        my $colour = $COLOURS[$number % @COLOURS];
        my @points = map { [LEFT + $_ * $step, $scale->{place}->($values->[$_])] } grep { defined $values->[$_] } 0 .. $#$values;
        $svg .= sprintf qq{<polyline fill="none" stroke="%s" stroke-width="2" points="%s"/>\n}, $colour,
            join ' ', map { sprintf '%.1f,%.1f', @$_ } @points;
        $svg .= sprintf qq{<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>\n}, @$_, $colour for @points;
        $svg .= _legend($number++, $colour, $name);
    }
    return $svg . "</svg>\n";
}

# bars(title => ..., unit => ..., bars => [[name, value], ...])
sub bars {
    my (%chart) = @_;
    my $scale = _scale(0, map { $_->[1] } @{ $chart{bars} });
    my $svg = _begin(\%chart, $scale);
    my $room = (WIDTH - LEFT - RIGHT) / @{ $chart{bars} };
    my $index = 0;
    for my $bar (@{ $chart{bars} }) {
        my ($name, $value) = @$bar;
        my ($x, $y) = (LEFT + $index * $room, $scale->{place}->($value));
        $svg .= sprintf qq{<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s"/>\n}, $x + $room * 0.15, $y, $room * 0.7,
            HEIGHT - BOTTOM - $y, $index ? $COLOURS[5] : $COLOURS[0];
        $svg .= _text($x + $room / 2, $y - 4, _short($value), 'middle');
        $svg .= _text($x + $room / 2, HEIGHT - BOTTOM + 16, $name, 'middle');
        $index++;
    }
    return $svg . "</svg>\n";
}

sub _begin {
    my ($chart, $scale) = @_;
    my $title = _escape("$chart->{title} ($chart->{unit})");
    my $svg = sprintf qq{<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-label="%s" }
        . qq{font-family="sans-serif" font-size="11">\n<rect width="100%%" height="100%%" fill="#ffffff"/>\n}, WIDTH, HEIGHT, $title;
    $svg .= sprintf qq{<text x="8" y="18" font-size="13" font-weight="bold" fill="#222222">%s</text>\n}, $title;
    for my $value (@{ $scale->{marks} }) {
        my $y = $scale->{place}->($value);
        $svg .= sprintf qq{<line x1="%d" x2="%d" y1="%.1f" y2="%.1f" stroke="#dddddd"/>\n}, LEFT, WIDTH - RIGHT, $y, $y;
        $svg .= _text(LEFT - 6, $y + 4, _short($value), 'end');
    }
    return $svg;
}

# Where a value stands, and which values are marked.
sub _scale {
    my ($is_log, @values) = @_;
    my ($least, $most) = (sort { $a <=> $b } @values)[0, -1];
    ($least, $most) = (0, 1) if !defined $most || $most <= 0;
    my $height = HEIGHT - TOP - BOTTOM;
    if ($is_log && $least > 0) {
        my ($from, $to) = (_floor(log($least) / log 10), _floor(log($most) / log 10) + 1);
        return {
            marks => [map { 10**$_ } $from .. $to],
            place => sub { HEIGHT - BOTTOM - $height * (log($_[0]) / log(10) - $from) / ($to - $from) },
        };
    }
    my $size = 10**_floor(log($most / 4) / log 10);
    my ($step) = grep { $_ >= $most / 4 } map { $_ * $size } 1, 2, 2.5, 5, 10;
    my $count = _floor($most / $step * 0.999_999) + 1;
    return {
        marks => [map { $_ * $step } 0 .. $count],
        place => sub { HEIGHT - BOTTOM - $height * $_[0] / ($count * $step) },
    };
}

sub _floor { my ($value) = @_; my $whole = int $value; return $whole > $value ? $whole - 1 : $whole }

sub _legend {
    my ($number, $colour, $name) = @_;
    my $x = LEFT + $number * 96;
    return sprintf(qq{<rect x="%d" y="%d" width="10" height="10" fill="%s"/>\n}, $x, HEIGHT - 22, $colour)
        . _text($x + 14, HEIGHT - 13, $name, 'start');
}

sub _text {
    my ($x, $y, $text, $anchor) = @_;
    return sprintf qq{<text x="%.1f" y="%.1f" text-anchor="%s" fill="#444444">%s</text>\n}, $x, $y, $anchor, _escape($text);
}

sub _short {
    my ($value) = @_;
    return $value >= 1e6 ? sprintf('%.3gM', $value / 1e6) : $value >= 1e3 ? sprintf('%.3gk', $value / 1e3) : sprintf '%.3g', $value;
}

sub _escape {
    my ($text) = @_;
    my %entity = ('&' => '&amp;', '<' => '&lt;', '>' => '&gt;', '"' => '&quot;');
    $text =~ s/([&<>"])/$entity{$1}/g;
    return $text;
}

1;
