package URI::smb;

# smb, as draft-crhertel-smb-url has it. See URI.

use strict;
use warnings;

use URI::Escape ();
use URI::_login ();

our $VERSION = '5.17';
our @ISA = ('URI::_login');

sub default_port { return 445 }

sub authdomain {
    my ($self, @value) = @_;
    my $userinfo = $self->userinfo;
    my ($domain, $rest) = defined $userinfo && $userinfo =~ /\A(?:([^;:]*);)?(.*)\z/s ? ($1, $2) : ();
    # A domain without a user is none.
    if (@value && defined $rest && length $rest) {
        my $new = defined $value[0] ? URI::_generic::_escape_part($value[0], 'A-Za-z0-9\-._~') . ';' : '';
        $self->userinfo("$new$rest");
    }
    return defined $domain ? URI::Escape::uri_unescape($domain) : undef;
}

sub user {
    my ($self, @value) = @_;
    my $domain = $self->authdomain;
    my $old = $self->SUPER::user(@value);
    if (@value && defined $domain) {
        $self->authdomain($domain);
    }
    return undef if !defined $old;    ## no critic (ProhibitExplicitReturnUndef)
    $old =~ s/\A[^;]*;//;
    return $old;
}

sub sharename {
    my ($self, @value) = @_;
    my @segments = $self->path_segments;
    my $old = @segments > 1 ? $segments[1] : undef;
    if (@value) {
        @segments = ('', '') if @segments < 2;
        $segments[1] = $value[0];
        $self->path_segments(@segments);
    }
    return $old;
}

1;
