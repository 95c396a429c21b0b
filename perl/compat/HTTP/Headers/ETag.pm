package HTTP::Headers::ETag;

# Fields that name versions of a thing (RFC 9110, 8.8.3). See HTTP::Headers.

use strict;
use warnings;

use HTTP::Date ();
use HTTP::Headers ();

our $VERSION = '6.44';

# Each one quoted, and W/ before those that are weak.
sub _tags {
    my ($text) = @_;
    my @tags;
    while (length $text) {
        my $weak = $text =~ s{\A\s*w/}{}i ? 'W/' : '';
        my $name = '';
        if ($text =~ s/\A\s*"([^"\\]*(?:\\.[^"\\]*)*)"//s || $text =~ s/\A\s*"?([^",]+)"?//) {
            $name = $1;
            $name =~ s/\A\s+|\s+\z//g;
        }
        $text =~ s/\A[^,]*(?:,|\z)//;
        push @tags, qq($weak"$name") if length $name || length $weak;
    }
    return @tags;
}

sub _field {
    my ($self, $field, @new) = @_;
    my @old = map { _tags($_) } $self->_header($field);
    if (@new) {
        $self->_header($field => join(', ', map { _tags(defined $_ ? $_ : '') } @new), 'SET');
    }
    return wantarray ? @old : join ', ', @old;
}

{
    no warnings qw(redefine once);
    *HTTP::Headers::etag          = sub { my $self = shift; return _field($self, 'ETag', @_ ? $_[0] : ()) };
    *HTTP::Headers::if_match      = sub { my $self = shift; return _field($self, 'If-Match', @_) };
    *HTTP::Headers::if_none_match = sub { my $self = shift; return _field($self, 'If-None-Match', @_) };

    # A time or a tag.
    *HTTP::Headers::if_range = sub {
        my ($self, @new) = @_;
        my ($text) = $self->_header('If-Range');
        my $time = defined $text && $text !~ m{\A\s*(?:W/)?"}i ? HTTP::Date::str2time($text) : undef;
        my @old = defined $time ? $time : defined $text ? _tags($text) : ();
        if (@new) {
            my $is_time = defined $new[0] && $new[0] =~ /\A\d+\z/;
            $self->_header('If-Range' => $is_time ? HTTP::Date::time2str($new[0]) : join(', ', map { _tags($_) } @new), 'SET');
        }
        return wantarray ? @old : @old ? $old[0] : '';
    };
}

1;
