package URI::WithBase;

# A URI that remembers what it is relative to. See URI.

use strict;
use warnings;

use Scalar::Util ();
use URI ();

our $VERSION = '5.17';
use overload '""' => sub { $_[0]->as_string }, fallback => 1;

our $AUTOLOAD;

sub new {
    my ($class, $text, $base) = @_;
    my $inner = $text;
    if (_has_base($base)) {
        $base = $base->abs;
    }
    if (_has_base($text)) {
        $inner = $text->clone->[0];
    }
    elsif (!ref $text || !Scalar::Util::blessed($text) || !$text->isa('URI')) {
        $inner = URI->new($text, _has_base($base) ? $base->[0] : $base);
    }
    else {
        $inner = $text->clone;
    }
    return bless [$inner, $base], ref $class || $class;
}

sub _has_base { return Scalar::Util::blessed($_[0]) && $_[0]->isa(__PACKAGE__) }

# What URI->new makes where its second argument is one of these.
sub _init {
    my ($class, $text, $scheme) = @_;
    return bless [URI->new($text, $scheme->[0]), undef], $class;
}

sub as_string { my ($self) = @_; return $self->[0]->as_string }

sub clone {
    my ($self) = @_;
    my $base = $self->[1];
    return bless [$self->[0]->clone, ref $base ? $base->clone : $base], ref $self;
}

sub eq {    ## no critic (ProhibitBuiltinHomonyms)
    my ($self, $other) = @_;
    $other = $other->[0] if _has_base($other);
    return $self->[0]->eq($other);
}

sub base {
    my ($self, @value) = @_;
    my $old = $self->[1];
    $self->[1] = _has_base($value[0]) ? $value[0]->abs : $value[0] if @value;
    # An object, once somebody looks at it.
    if (defined $old && !ref $old) {
        $old = (ref $self)->new($old);
        $self->[1] = $old if !@value;
    }
    return $old;
}

sub abs {    ## no critic (ProhibitBuiltinHomonyms)
    my ($self, $base) = @_;
    $base = $self->base if !defined $base;
    return $self->clone if !defined $base;
    my $inner = _has_base($base) ? $base->[0] : ref $base ? $base : URI->new($base);
    return bless [$self->[0]->abs($inner), $base], ref $self;
}

sub rel {
    my ($self, $base) = @_;
    $base = $self->base if !defined $base;
    return $self->clone if !defined $base;
    my $inner = _has_base($base) ? $base->[0] : ref $base ? $base : URI->new($base);
    return bless [$self->[0]->rel($inner), $base], ref $self;
}

sub new_abs {
    my ($class, $text, $base) = @_;
    return $class->new($text, $base)->abs;
}

# What the URI itself is and can, this is and can as well.
sub isa {
    my ($self, $class) = @_;
    return 1 if UNIVERSAL::isa($self, $class);
    return ref $self && Scalar::Util::blessed($self->[0]) && $self->[0]->isa($class) ? 1 : '';
}

sub can {    ## no critic (ProhibitBuiltinHomonyms)
    my ($self, $method) = @_;
    my $own = UNIVERSAL::can($self, $method);
    return $own if $own || !ref $self;
    return $self->[0]->can($method);
}

sub AUTOLOAD {
    my ($self, @args) = @_;
    (my $method = $AUTOLOAD) =~ s/.*:://;
    return if $method eq 'DESTROY' || !ref $self;
    return $self->[0]->$method(@args);
}

sub DESTROY { }

1;
