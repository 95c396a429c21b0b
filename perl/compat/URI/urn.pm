package URI::urn;

# urn (RFC 8141), a class for each namespace that has one. See URI.

use strict;
use warnings;

use Carp ();
use URI ();

our $VERSION = '5.17';
our @ISA = ('URI');

# By namespace; false where there is none, which is looked for once.
my %CLASS;

sub _init {
    my ($class, $text, $scheme) = @_;
    my $self = $class->SUPER::_init($text, $scheme);
    my $nid = $self->nid;
    my $own = length $nid && $self->_class_of($nid);
    return $own ? bless $self, $own : $self;
}

sub _class_of {
    my ($self, $nid) = @_;
    my $name = lc $nid;
    return $CLASS{$name} if exists $CLASS{$name};
    (my $class = "URI::urn::$name") =~ s/[^\w:]/_/g;
    return $CLASS{$name} = URI::_loaded($class) ? $class : undef;
}

sub nid {
    my ($self, @value) = @_;
    my $opaque = $self->opaque;
    my ($old) = $opaque =~ /\A([^:]+)/;
    if (@value) {
        my $new = defined $value[0] ? $value[0] : '';
        Carp::croak("Illegal namespace identifier '$new'") if $new !~ /\A[A-Za-z0-9][A-Za-z0-9\-]*\z/;
        $opaque =~ s/\A[^:]*/$new/;
        $self->opaque($opaque);
    }
    return defined $old ? lc $old : '';
}

sub nss {
    my ($self, @value) = @_;
    my $opaque = $self->opaque;
    my ($nid, $old) = split /:/, $opaque, 2;
    $self->opaque((defined $nid ? $nid : '') . ':' . (defined $value[0] ? $value[0] : '')) if @value;
    return $old;
}

sub canonical {
    my ($self) = @_;
    my $other = $self->SUPER::canonical;
    my $nid = ($other->opaque =~ /\A([^:]*)/)[0];
    return $other if $nid eq lc $nid;
    $other = $other->clone if URI::_same_object($other, $self);
    (my $opaque = $other->opaque) =~ s/\A[^:]*/\L$nid/;
    $other->opaque($opaque);
    return $other;
}

1;
