package URI::data;

# data (RFC 2397). See URI.

use strict;
use warnings;

use MIME::Base64 ();
use URI ();
use URI::Escape ();

our $VERSION = '5.17';
our @ISA = ('URI');

sub media_type {
    my ($self, @value) = @_;
    my $opaque = $self->opaque;
    $opaque =~ /\A([^,]*),?/ or die;
    my $old = $1;
    my $base64 = $old =~ s/;base64\z//i ? ';base64' : '';
    if (@value) {
        my $new = defined $value[0] ? $value[0] : '';
        $new =~ s/%/%25/g;
        $new =~ s/,/%2C/g;
        $opaque =~ s/\A[^,]*,?/$new$base64,/;
        $self->opaque($opaque);
    }
    return length $old ? URI::Escape::uri_unescape($old) : 'text/plain;charset=US-ASCII';
}

sub data {
    my ($self, @value) = @_;
    my ($type, $data) = split /,/, $self->opaque, 2;
    $type = '' if !defined $type;
    $data = '' if !defined $data;
    my $is_base64 = $type =~ s/;base64\z//i;
    if (@value) {
        my $new = defined $value[0] ? $value[0] : '';
        # Whichever is shorter; in doubt what can be read.
        my $escaped = URI::Escape::uri_escape($new, $URI::CHARACTERS_ESCAPED);
        my $is_shorter = int((length($new) + 2) / 3) * 4 + length ';base64' < length $escaped;
        $self->opaque($is_shorter ? "$type;base64," . MIME::Base64::encode($new, '') : "$type,$escaped");
    }
    $data = URI::Escape::uri_unescape($data);
    return $is_base64 ? MIME::Base64::decode($data) : $data;
}

1;
