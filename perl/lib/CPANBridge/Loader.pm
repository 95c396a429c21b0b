package CPANBridge::Loader;

use strict;
use warnings;
# It may have been broken off itself.
no warnings 'redefine';

our $VERSION = '0.100';

# Whether something was broken off, by a signal's handler that died: functions of it are there already when it is loaded anew.
my $BROKEN_OFF;

# $part: a file of ours; $texts: those that are held, as [path, text].
sub load {
    my ($part, $texts) = @_;
    my $held = $texts->{$part};
    return core($part) if !$held;
    _whole($part, sub { CPANBridge::Parts::_compiled($held->[1]) or die $@; $INC{$part} = $held->[0] });
    delete $texts->{$part};
    return;
}

# Loads a module of Perl's own, by its file.
sub core {
    my ($file) = @_;
    _whole($file, sub { require $file }) if !$INC{$file};
    return;
}

# Loads a file and all that it loads, or leaves things so that it can be done anew.
sub _whole {
    my ($file, $load) = @_;
    my $eval_error = $@;
    local $!;
    local $SIG{__DIE__} = 'DEFAULT';
    local $SIG{__WARN__} = $BROKEN_OFF ? sub { } : $SIG{__WARN__};
    # Perl leaves a mark at a file that could not be loaded and refuses it from then on: at this one, at those that it loads, and whoever
    # loaded them before us.
    delete $INC{$file} if !$INC{$file};
    my %refused = map { $_ => 1 } grep { !defined $INC{$_} } keys %INC;
    if (!eval { $load->(); 1 }) {
        my $why = words($@);
        delete $INC{$_} for grep { !defined $INC{$_} && !$refused{$_} } keys %INC;
        $BROKEN_OFF = 1;
        # What Perl says of it names a file; anything else is not ours to put into words.
        die $why if ref $why || $why !~ /\ACan't locate |\ACan't load |^Attempt to reload / || $why =~ /\Acan't load /;
        $why =~ s/\s+\z//;
        die "can't load $file: $why\n";
    }
    $@ = $eval_error;
    return;
}

# What somebody died of while something was loaded, without what Perl adds to that: it may be a signal's handler, and whoever set it looks
# for its words.
sub words {
    my ($why) = @_;
    return $why if ref $why;
    1 while $why =~ s/^(?:Compilation failed in require|BEGIN failed--compilation aborted) at .*? line \d+\.\n\z//m;
    return $why;
}

1;

__END__

=encoding utf8

=head1 NAME

CPANBridge::Loader - loads parts of the client that CPANBridge::Parts holds, and modules of Perl's own

=head1 FUNCTIONS

=head2 load

    CPANBridge::Loader::load('CPANBridge/Session.pm', \%texts);

One of our files.

=head2 core

    CPANBridge::Loader::core('B.pm');

A module of Perl's own.

=head2 words

What somebody died of while something was loaded, without what Perl adds to it.

=cut
