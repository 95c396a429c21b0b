package HTML::Filter;

# A stand-in for HTML::Filter (as of 3.86): passes documents on as they are, and subclasses change what they like.

use strict;
use warnings;

use HTML::Parser ();

our $VERSION = '3.86';
our @ISA     = ('HTML::Parser');

sub declaration { my ($self, $text) = @_; return $self->output("<!$text>") }
sub comment     { my ($self, $text) = @_; return $self->output("<!--$text-->") }
sub process     { return $_[0]->output($_[2]) }
sub start       { return $_[0]->output($_[4]) }
sub end         { return $_[0]->output($_[2]) }
sub text        { return $_[0]->output($_[1]) }

sub output { return print $_[1] }

1;
