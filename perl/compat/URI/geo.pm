package URI::geo;

# geo (RFC 5870). See URI.

use strict;
use warnings;

use Carp ();
use Scalar::Util ();
use URI ();
use URI::Split ();

our $VERSION = '5.17';
our @ISA = ('URI');

my @NAMES = ([qw(latitude lat)], [qw(longitude long lon lng)], [qw(altitude alt elevation elev)]);

sub new {
    my ($class, @args) = @_;
    my $uri = (ref $class || $class)->_init('geo:0,0', 'geo');
    $uri->location($class->_location_of(@args));
    return $uri;
}

# Latitude, longitude and altitude, as they are, in a list, in a hash, or what an object says of itself.
sub _location_of {
    my ($class, @args) = @_;
    return @args if !ref $args[0];
    my ($what) = @args;
    if (Scalar::Util::blessed($what)) {
        return $what->location if $what->can('location');
        return ($what->latlong, _first_of($what, 2)) if $what->can('latlong');
        my @location = map { _first_of($what, $_) } 0 .. 2;
        Carp::croak(q(Don't know how to convert point)) if !defined $location[0] || !defined $location[1];
        return @location;
    }
    return @$what if ref $what eq 'ARRAY';
    if (ref $what eq 'HASH') {
        return map { my $names = $_; my ($name) = grep { exists $what->{$_} } @$names; defined $name ? $what->{$name} : undef } @NAMES;
    }
    Carp::croak(q(Don't know how to convert point));
}

sub _first_of {
    my ($object, $place) = @_;
    my ($method) = grep { $object->can($_) } @{ $NAMES[$place] };
    return defined $method ? scalar $object->$method : undef;
}

sub _init {
    my ($class, $text, $scheme) = @_;
    my $self = $class->SUPER::_init($text, $scheme);
    $self->_fields;
    return $self;
}

# [latitude, longitude, altitude], and names with their values, in their order.
sub _fields {
    my ($self) = @_;
    my ($place, @parameters) = split /;/, $self->opaque;
    my @location = defined $place ? split /,/, $place, -1 : ();
    Carp::croak('Badly formed geo uri') if @location < 2 || @location > 3 || grep { !/\A-?[0-9]+(?:\.[0-9]+)?\z/ } @location;
    return (\@location, [map { [split /=/, $_, 2] } @parameters]);
}

sub _set_fields {
    my ($self, $location, $parameters) = @_;
    my @location = @$location;
    pop @location while @location && !defined $location[-1];
    $self->opaque(join ';', join(',', @location), map { join '=', grep { defined } @$_ } @$parameters);
    return;
}

sub location {
    my ($self, @new) = @_;
    my ($old, $parameters) = $self->_fields;
    if (@new) {
        my ($latitude, $longitude, $altitude) = @new;
        Carp::croak('Latitude and longitude are needed') if !defined $latitude || !defined $longitude;
        $self->_set_fields([$latitude, $longitude, $altitude], $parameters);
    }
    return @$old[0 .. 2];
}

sub _coordinate {
    my ($self, $place, @value) = @_;
    my ($location, $parameters) = $self->_fields;
    my $old = $location->[$place];
    if (@value) {
        my @new = @$location;
        $new[$place] = $value[0];
        $self->_set_fields(\@new, $parameters);
    }
    return $old;
}

sub latitude  { my $self = shift; return $self->_coordinate(0, @_) }
sub longitude { my $self = shift; return $self->_coordinate(1, @_) }
sub altitude  { my $self = shift; return $self->_coordinate(2, @_) }

sub field {
    my ($self, $name, @value) = @_;
    my ($location, $parameters) = $self->_fields;
    my ($found) = grep { lc $_->[0] eq lc $name } @$parameters;
    my $old = $found ? $found->[1] : undef;
    if (@value) {
        my @others = grep { lc $_->[0] ne lc $name } @$parameters;
        $self->_set_fields($location, [@others, defined $value[0] ? [$name, $value[0]] : ()]);
    }
    return $old;
}

sub crs         { my $self = shift; return $self->field('crs', @_) }
sub uncertainty { my $self = shift; return $self->field('u', @_) }

# RFC 5870, 3.4.4: at a pole the longitude says nothing, and numbers count by their value.
sub canonical {
    my ($self) = @_;
    my ($location, $parameters) = $self->_fields;
    my @plain = map { 0 + $_ } @$location;
    $plain[1] = 0 if CORE::abs($plain[0]) == 90;
    my $other = $self->clone;
    $other->_set_fields(\@plain, [map { [lc $_->[0], @$_[1 .. $#$_]] } @$parameters]);
    return $other;
}

1;
