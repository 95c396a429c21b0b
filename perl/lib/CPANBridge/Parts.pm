package CPANBridge::Parts;

# First in the file: what is compiled here is to find no declarations in force but its own. It is of our own files, so it is as trusted
# under taint checks as they are.
sub _compiled { return eval(${ $_[0] } =~ /\A(.*)\z/s && $1) }    ## no critic (ProhibitStringyEval, RequireUseStrict, RequireUseWarnings)

use strict;
use warnings;

our $VERSION = '0.100';

# What a usual call does not need, in the order in which it is compiled: none needs one behind it. Then what is needed by itself.
my @PARTS = map { "CPANBridge/$_.pm" } qw(Loader Clock Places Error MessagePack Ticket Connection Envelope Batch Launcher Locator Session Methods);
my @ALONE = map { "CPANBridge/$_.pm" } qw(Existing Frozen File);

# Most of the time that a script with one call takes is spent on compiling, so the rest of the client is compiled when something unusual
# happens. Its text is read at once: by then the script may have changed its directory or its user, and a new version may have been
# installed in our place.
my %TEXT;

sub hold {
    my ($folder) = __FILE__ =~ m{\A(.*)CPANBridge/[^/]+\z}s or return;
    local $!;
    for my $part (@PARTS, @ALONE) {
        # Without a buffer, in one read, and with no copy: this is done for every script.
        CORE::open my $in, '<:unix', "$folder$part" or next;
        # The place for messages; a name that would end the line is left out.
        my $text = $folder =~ /["\n]/ ? '' : qq{#line 1 "$folder$part"\n};
        while ((sysread($in, $text, 32_768, length $text) || 0) == 32_768) { }
        $TEXT{$part} = ["$folder$part", \$text];
    }
    return;
}

# Loads parts, by name; all that a call can need if none is named. A signal's handler that dies meanwhile does no harm: the next time it is
# done anew.
sub need {
    my @missing = grep { !$INC{$_} } @_ ? map { "CPANBridge/$_.pm" } @_ : @PARTS[1 .. $#PARTS] or return;
    my $eval_error = $@;
    local $!;
    my $loader = $TEXT{'CPANBridge/Loader.pm'};
    if ($loader && !$INC{'CPANBridge/Loader.pm'}) {
        if (!_compiled($loader->[1])) {
            # As CPANBridge::Loader does it for the others; all that it uses is loaded.
            my $why = $@;
            $why =~ s/^BEGIN failed--.*//ms if !ref $why;
            die $why;
        }
        $INC{'CPANBridge/Loader.pm'} = $loader->[0];
    }
    elsif (!$INC{'CPANBridge/Loader.pm'}) {
        delete $INC{'CPANBridge/Loader.pm'};
        require CPANBridge::Loader;
    }
    CPANBridge::Loader::load($_, \%TEXT) for @missing;
    $@ = $eval_error;
    return;
}

# Loads all that the client can ever need of itself and of Perl.
sub everything {
    need();
    need($_) for qw(Existing Frozen File);
    CPANBridge::Loader::core($_) for qw(B.pm Carp.pm POSIX.pm Storable.pm JSON/PP.pm);
    return;
}

1;

__END__

=encoding utf8

=head1 NAME

CPANBridge::Parts - what of the client is compiled only when it is needed (used by CPANBridge)

=head1 DESCRIPTION

A script that makes one call spends most of its time on loading. What a usual call does not need is held as text and compiled when
something unusual happens, from what was read when the script began.

=head1 FUNCTIONS

=head2 hold

Reads the parts that lie beside this file.

=head2 need

    CPANBridge::Parts::need();
    CPANBridge::Parts::need('MessagePack');

Sees to it that they are loaded: those that are named, or all.

=head2 everything

    CPANBridge::Parts::everything();

Loads all that the client can ever need, for a script that is about to go where Perl's own modules can't be loaded: into a C<chroot>, say.

=cut
