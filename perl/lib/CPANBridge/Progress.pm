package CPANBridge::Progress;

use strict;
use warnings;

use Time::HiRes ();

our $VERSION = '0.100';

# More often nobody can read it.
use constant EACH => 0.1;
use constant BAR  => 24;

sub new {
    my ($class, %fields) = @_;
    my $to = $fields{to} || \*STDERR;
    return bless {
        to     => $to,
        label  => defined $fields{label} ? $fields{label} : '',
        shown  => defined $fields{always} ? $fields{always} : (-t $to ? 1 : 0),
        begun  => Time::HiRes::time(),
        next   => 0,
        drawn  => 0,
        done   => 0,
        unit   => 'bytes',
    }, $class;
}

sub callback {
    my ($self) = @_;
    return sub { $self->update(@_) };
}

sub update {
    my ($self, $done, $total, $unit) = @_;
    @{$self}{qw(done total unit)} = ($done, $total, defined $unit ? $unit : 'bytes');
    my $now = Time::HiRes::time();
    return if !$self->{shown} || $now < $self->{next} && !(defined $total && $done >= $total);
    $self->{next} = $now + EACH;
    $self->_draw($now);
    return;
}

sub finish {
    my ($self, $words) = @_;
    return if !$self->{shown};
    $self->_draw(Time::HiRes::time(), $words);
    $self->_print("\n");
    $self->{shown} = 0;
    return;
}

sub _draw {
    my ($self, $now, $words) = @_;
    my $line = $self->line($now - $self->{begun}, $words);
    my $blank = $self->{drawn} > length $line ? ' ' x ($self->{drawn} - length $line) : '';
    $self->{drawn} = length $line;
    $self->_print("\r$line$blank");
    return;
}

sub line {
    my ($self, $seconds, $words) = @_;
    my ($done, $total, $unit) = @{$self}{qw(done total unit)};
    my @parts = length $self->{label} ? $self->{label} : ();
    if ($total) {
        my $part = $done / $total > 1 ? 1 : $done / $total;
        my $bar = int($part * BAR);
        push @parts, sprintf('%3d%%', $part * 100), '[' . '=' x $bar . ($bar < BAR ? '>' . ' ' x (BAR - $bar - 1) : '') . ']';
    }
    push @parts, _amount($done, $unit) . ($total ? ' of ' . _amount($total, $unit) : '');
    if ($seconds > 0.5) {
        my $rate = $done / $seconds;
        push @parts, _amount($rate, $unit) . '/s';
        push @parts, _time(($total - $done) / $rate) . ' left' if !defined $words && $total && $rate > 0 && $done < $total;
    }
    push @parts, $words if defined $words;
    return join '  ', @parts;
}

sub _amount {
    my ($count, $unit) = @_;
    return int($count) . " $unit" if defined $unit && $unit ne 'bytes';
    my @units = qw(B KiB MiB GiB TiB);
    shift(@units), $count /= 1024 while $count >= 1024 && @units > 1;
    return sprintf $units[0] eq 'B' ? '%d %s' : '%.1f %s', $count, $units[0];
}

sub _time {
    my ($seconds) = @_;
    my ($minutes, $rest) = (int($seconds / 60), $seconds % 60);
    return $minutes >= 60 ? sprintf('%d:%02d:%02d', $minutes / 60, $minutes % 60, $rest) : sprintf('%d:%02d', $minutes, $rest);
}

sub _print {
    my ($self, $text) = @_;
    local ($\, $,, $!);
    my $before = select $self->{to};
    local $| = 1;
    print {*{ $self->{to} }} $text;
    select $before;
    return;
}

1;

__END__

=encoding utf8

=head1 NAME

CPANBridge::Progress - a progress bar for terminals

=head1 SYNOPSIS

    use CPANBridge;
    use CPANBridge::Progress;

    my $bar = CPANBridge::Progress->new(label => 'archive.tar');
    CPANBridge->new->call('http_helper.download', { url => $url, path => $path },
        timeout => 3600, progress => $bar->callback);
    $bar->finish;

=head1 DESCRIPTION

One line, drawn anew some times a second: how much is done, how fast, and how long the rest will take. Where the output is no
terminal nothing is printed, so it can stay in scripts that run from cron.

=head1 METHODS

=head2 new

    my $bar = CPANBridge::Progress->new(label => $text, to => \*STDERR, always => $whether);

C<always> decides whether it is shown, in place of whether C<to> is a terminal.

=head2 callback

A code reference for C<progress> of L<CPANBridge/call>.

=head2 update

    $bar->update($done, $total, $unit);

How far it has come. C<$total> may be undef; C<$unit> is C<bytes> if not given.

=head2 finish

    $bar->finish($words);

Draws it a last time, with some words behind if any are given, and ends the line.

=head2 line

    my $text = $bar->line($seconds);

What is drawn after so many seconds.

=cut
