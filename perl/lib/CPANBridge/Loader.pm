package CPANBridge::Loader;

use strict;
use warnings;
# It may have been broken off itself.
no warnings 'redefine';

our $VERSION = '0.100';

# $part: a file of ours; $texts: those that are held, as [path, text, how often it was tried].
sub load {
    my ($part, $texts) = @_;
    my $held = $texts->{$part};
    local $SIG{__DIE__} = 'DEFAULT';
    # Where it was broken off its functions are there already.
    local $SIG{__WARN__} = $held && $held->[2]++ ? sub { } : $SIG{__WARN__};
    if (!$held) {
        core($part);
        return;
    }
    my $text = $held->[1];
    CPANBridge::Parts::_compiled($text) or die words($@);
    $INC{$part} = $held->[0];
    delete $texts->{$part};
    return;
}

# Loads a module of Perl's own, by its file.
sub core {
    my ($file) = @_;
    return if $INC{$file};
    my $eval_error = $@;
    local $!;
    local $SIG{__DIE__} = 'DEFAULT';
    # Such an entry is left behind by a load that was broken off.
    delete $INC{$file};
    eval { require $file; 1 } or die words($@);
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
