package URI::mailto;

# mailto (RFC 6068). See URI.

use strict;
use warnings;

use URI ();
use URI::Escape ();
use URI::_generic ();
use URI::_query ();

our $VERSION = '5.17';
our @ISA = ('URI', 'URI::_query');

# Domains may be literals, in brackets.
sub _init {
    my ($class, $text, $scheme) = @_;
    my $self = $class->SUPER::_init($text, $scheme);
    $$self =~ s/(@)%5B([^?#]*?)%5D/$1\[$2]/gi if $text =~ /\@\[/;
    return $self;
}

# For the query's methods.
sub _parts {
    my ($self) = @_;
    $$self =~ /\A($URI::SCHEME:)?([^?#]*)(?:\?([^#]*))?(?:#(.*))?\z/s or die "no URI: $$self";
    return ($1, undef, $2, $3, $4);
}

sub _join {
    my ($self, $scheme, undef, $path, $query, $fragment) = @_;
    $$self = join '', defined $scheme ? $scheme : '', $path, defined $query ? "?$query" : '', defined $fragment ? "#$fragment" : '';
    return;
}

sub _pairs { my @list = @_; return map { [@list[2 * $_, 2 * $_ + 1]] } 0 .. @list / 2 - 1 }

# The path's addresses, and those of all fields of the name.
sub to {
    my ($self, @value) = @_;
    my @old = $self->headers;
    if (@value) {
        my @others = map { lc $_->[0] eq 'to' ? () : @$_ } _pairs(@old);
        $self->headers(@others, to => $value[0]);
    }
    return join ',', grep { defined && length } map { lc $_->[0] eq 'to' ? $_->[1] : () } _pairs(@old);
}

sub authority { my $self = shift; return $self->to(@_) }

sub headers {
    my ($self, @fields) = @_;
    my @parts = $self->_parts;
    my @old = (to => URI::Escape::uri_unescape($parts[2]), $self->query_form);
    if (@fields) {
        my (@to, @others);
        for my $field (_pairs(@fields)) {
            lc $field->[0] eq 'to' ? push @to, grep { defined } $field->[1] : push @others, @$field;
        }
        $parts[2] = URI::_generic::_escape_part(join(',', @to), 'A-Za-z0-9\-._~@,+!$&\'()*:;=/');
        $self->_join(@parts);
        $self->query_form(\@others);
    }
    return @old;
}

1;
