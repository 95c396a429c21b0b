package URI::IRI;

# A URI as people write it, with characters beyond ASCII (RFC 3987). See URI.

use strict;
use warnings;

use URI ();

our $VERSION = '5.17';
use overload '""' => sub { $_[0]->as_string }, fallback => 1;

our $AUTOLOAD;

sub new {
    my ($class, $text, $scheme) = @_;
    utf8::upgrade($text);
    return bless { uri => URI->new($text, $scheme) }, $class;
}

sub clone { my ($self) = @_; return bless { uri => $self->{uri}->clone }, ref $self }

# As all of URI gives it, but the text.
sub as_string { my ($self) = @_; return $self->{uri}->as_iri }

sub can {    ## no critic (ProhibitBuiltinHomonyms)
    my ($self, $method) = @_;
    return $self->SUPER::can($method) || (ref $self && $self->{uri}->can($method));
}

sub AUTOLOAD {
    my ($self, @args) = @_;
    (my $method = $AUTOLOAD) =~ s/.*:://;
    return $self->{uri}->$method(@args);
}

sub DESTROY { }

1;
