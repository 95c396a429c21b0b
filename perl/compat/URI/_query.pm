package URI::_query;

# The query of a URI, and what forms and keywords make of it. See URI.

use strict;
use warnings;

use Scalar::Util ();
use URI ();
use URI::Escape ();

our $VERSION = '5.17';

sub query {
    my ($self, @value) = @_;
    my @parts = $self->_parts;
    my $old = $parts[3];
    if (@value) {
        $parts[3] = defined $value[0] ? URI::_generic::_escape_part($value[0], $URI::CHARACTERS) : undef;
        $self->_join(@parts);
    }
    return $old;
}

# $is_wide: some part of the form has characters beyond Latin-1, so all of it is UTF-8.
sub _form_escape {
    my ($text, $is_wide) = @_;
    $text = '' if !defined $text;
    $text = "$text";
    utf8::encode($text) if $is_wide;
    $text =~ s/([;\/?:@&=+,\$\[\]%])/URI::Escape::escape_char($1)/ge;
    $text =~ s/([^$URI::CHARACTERS ])/URI::Escape::escape_char($1)/ge;
    $text =~ s/ /+/g;
    return $text;
}

sub _form_unescape {
    my ($text) = @_;
    $text =~ tr/+/ /;
    return URI::Escape::uri_unescape($text);
}

# Lists, and objects that are made of one and do not say what they are as a text.
sub _is_list {
    my ($value) = @_;
    return 0 if !ref $value || Scalar::Util::reftype($value) ne 'ARRAY';
    return !Scalar::Util::blessed($value) || !overload::Method($value, '""') ? 1 : 0;
}

sub query_form {
    my ($self, @new) = @_;
    my $old = $self->query;
    if (@new) {
        my $delimiter;
        my $first = $new[0];
        if (_is_list($first)) {
            (undef, $delimiter) = @new;
            @new = @$first;
        }
        elsif (ref $first eq 'HASH') {
            (undef, $delimiter) = @new;
            @new = map { $_ => $first->{$_} } sort keys %$first;
        }
        elsif (@new % 2) {
            $delimiter = pop @new;
        }
        my @terms;
        my $is_wide = grep { defined && /[^\x00-\xff]/ } map { _is_list($_) ? @$_ : $_ } @new;
        while (my ($name, $values) = splice @new, 0, 2) {
            my $key = _form_escape($name, $is_wide);
            my @values = _is_list($values) ? @$values : $values;
            push @terms, map { "$key=" . _form_escape($_, $is_wide) } @values;
        }
        if (@terms) {
            $delimiter = $1 if !defined $delimiter && defined $old && $old =~ /([&;])/;
            $delimiter = $URI::DEFAULT_QUERY_FORM_DELIMITER || '&' if !defined $delimiter;
            $self->query(join $delimiter, @terms);
        }
        else {
            $self->query(undef);
        }
    }
    return if !defined $old || !length $old || !defined wantarray;
    return if $old !~ /=/;
    return map { _form_unescape($_) } map { /=/ ? split(/=/, $_, 2) : ($_ => '') } split /[&;]/, $old;
}

sub query_keywords {
    my ($self, @new) = @_;
    my $old = $self->query;
    if (@new) {
        @new = @{ $new[0] } if @new == 1 && _is_list($new[0]);
        my @escaped = map { my $word = defined $_ ? "$_" : ''; $word =~ s/([;\/?:@&=+,\$\[\]%])/URI::Escape::escape_char($1)/ge; $word } @new;
        $self->query(@escaped ? join '+', @escaped : undef);
    }
    return if !defined $old || !defined wantarray;
    return if $old =~ /=/;
    return map { URI::Escape::uri_unescape($_) } split /\+/, $old, -1;
}

sub equery { my $self = shift; return $self->query(@_) }

# --- What URI::QueryParam adds

sub query_param {
    my ($self, @args) = @_;
    my @pairs = $self->query_form;
    if (!@args) {
        my (%seen, $index);
        return grep { !($index++ % 2) && !$seen{$_}++ } @pairs;
    }
    my ($name, @values) = @args;
    my @old = map { $pairs[2 * $_ + 1] } grep { $pairs[2 * $_] eq $name } 0 .. @pairs / 2 - 1;
    if (@values) {
        my @new = map { _is_list($_) ? @$_ : $_ } @values;
        my @kept;
        while (my ($key, $value) = splice @pairs, 0, 2) {
            push @kept, $key, $value if $key ne $name;
            push @kept, $key, shift @new if $key eq $name && @new;
        }
        push @kept, map { $name => $_ } @new;
        $self->query_form(\@kept);
    }
    return wantarray ? @old : $old[0];
}

sub query_param_append {
    my ($self, $name, @values) = @_;
    my @pairs = $self->query_form;
    push @pairs, map { $name => $_ } map { _is_list($_) ? @$_ : $_ } @values;
    $self->query_form(\@pairs);
    return;
}

# What has no such parameter is left as it stands.
sub query_param_delete {
    my ($self, $name) = @_;
    my @pairs = $self->query_form;
    my (@old, @kept);
    while (my ($key, $value) = splice @pairs, 0, 2) {
        $key eq $name ? push @old, $value : push @kept, $key, $value;
    }
    $self->query_form(\@kept) if @old;
    return wantarray ? @old : $old[0];
}

sub query_form_hash {
    my ($self, @new) = @_;
    my %form;
    my @pairs = $self->query_form;
    while (my ($key, $value) = splice @pairs, 0, 2) {
        $form{$key} = !exists $form{$key} ? $value : ref $form{$key} ? [@{ $form{$key} }, $value] : [$form{$key}, $value];
    }
    $self->query_form(@new == 1 ? %{ $new[0] } : @new) if @new;
    return \%form;
}

1;
