package URI::sip;

# sip (RFC 3261, 19.1), whose server stands behind no slashes, with parameters and headers. See URI.

use strict;
use warnings;

use URI::Escape ();
use URI::_login ();

our $VERSION = '5.17';
our @ISA = ('URI::_login');

sub default_port { return 5060 }

sub _has_no_scheme { return 0 }

# scheme with colon, authority, `;` and parameters, `?` and headers, fragment
sub _sip_parts {
    my ($self) = @_;
    $$self =~ /\A($URI::SCHEME:)?([^;?#]*)(?:;([^?#]*))?(?:\?([^#]*))?(?:#(.*))?\z/s or die "no URI: $$self";
    return ($1, $2, $3, $4, $5);
}

sub _sip_join {
    my ($self, $scheme, $authority, $params, $query, $fragment) = @_;
    $$self = join '', defined $scheme ? $scheme : '', defined $authority ? $authority : '', defined $params ? ";$params" : '',
        defined $query ? "?$query" : '', defined $fragment ? "#$fragment" : '';
    return;
}

sub _sip_part {
    my ($self, $place, $may_stand, @value) = @_;
    my @parts = $self->_sip_parts;
    my $old = $parts[$place];
    if (@value) {
        $parts[$place] = defined $value[0] ? URI::_generic::_escape_part($value[0], "A-Za-z0-9\\-._~!\$&'()*+,=:%/$may_stand") : undef;
        $self->_sip_join(@parts);
    }
    return $old;
}

sub authority { my $self = shift; my $old = $self->_sip_part(1, '@\\[\\]', @_); return length $old ? $old : undef }
sub params    { my $self = shift; return $self->_sip_part(2, ';@', @_) }
sub query     { my $self = shift; return $self->_sip_part(3, ';?@', @_) }

sub params_form {
    my ($self, @new) = @_;
    my $old = $self->params;
    if (@new) {
        @new = ref $new[0] eq 'ARRAY' ? @{ $new[0] } : ref $new[0] eq 'HASH' ? %{ $new[0] } : @new;
        my @terms;
        while (my ($name, $value) = splice @new, 0, 2) {
            my @values = map { my $text = defined $_ ? "$_" : ''; $text =~ s/([;?:@&=+,\$\/%])/URI::Escape::escape_char($1)/ge; $text } $name, ref $value eq 'ARRAY' ? @$value : $value;
            my $key = shift @values;
            push @terms, map { "$key=$_" } @values;
        }
        $self->params(@terms ? join ';', @terms : undef);
    }
    return if !defined $old || !length $old || !defined wantarray;
    return if $old !~ /=/;
    return map { my $text = $_; $text =~ tr/+/ /; URI::Escape::uri_unescape($text) } map { /=/ ? split(/=/, $_, 2) : ($_ => '') } split /;/, $old;
}

# There is no path that anything could be relative to.
sub path          { return }
sub path_query    { return }
sub path_segments { return }
sub abs           { return $_[0] }    ## no critic (ProhibitBuiltinHomonyms)
sub rel           { return $_[0] }

1;
