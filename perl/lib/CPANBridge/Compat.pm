package CPANBridge::Compat;

use strict;
use warnings;

use File::Basename ();
use File::Spec     ();

our $VERSION = '0.100';

# As `make install` leaves them, beside this file; or in the source, beside lib.
sub directory {
    my $here = File::Basename::dirname(__FILE__);
    for my $place ("$here/compat", "$here/../../compat") {
        return File::Spec->rel2abs($place) if -d "$place/Crypt" && -d "$place/LWP";
    }
    return;
}

sub import {
    my $directory = directory();
    if (!defined $directory) {
        require Carp;
        (my $here = __FILE__) =~ s{[^/]*\z}{};
        Carp::croak("the stand-ins of cpan-bridge are not installed beside CPANBridge::Compat: copy perl/compat to ${here}compat");
    }
    unshift @INC, $directory if !grep { $_ eq $directory } @INC;
    return;
}

1;

__END__

=encoding utf8

=head1 NAME

CPANBridge::Compat - stand-ins for CPAN modules, under the names that scripts use

=head1 SYNOPSIS

    use CPANBridge::Compat;
    use Crypt::CBC;
    use LWP::UserAgent;

Or, without touching the script: C<perl -MCPANBridge::Compat script.pl>, or the folder L</directory> in C<PERL5LIB>.

=head1 DESCRIPTION

Puts the folder of the stand-ins first in C<@INC>. Modules that are loaded after it are the stand-ins, whether or not the
originals are installed.

=head1 FUNCTIONS

=head2 directory

    perl -MCPANBridge::Compat -e 'print CPANBridge::Compat::directory()'

Where the stand-ins are.

=head2 import

Puts that first in C<@INC>.

=cut
