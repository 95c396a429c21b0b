package HTML::Parser::Argspec;

# What handlers are called with, and the code that calls them.

use strict;
use warnings;

use Carp ();

our $VERSION = '3.86';

my @EVENTS = qw(declaration comment start end text process start_document end_document);
my %EVENT = ((map { $EVENTS[$_] => $_ } 0 .. $#EVENTS), default => -1);

# Their numbers, by name; `default` is none of the broker's.
sub EVENTS () { return \%EVENT }

my %NAME = map { $_ => 1 } qw(self tokens tokenpos token0 tagname tag attr @attr attrseq text dtext is_cdata skipped_text offset offset_end
    length line column event undef);

# An argspec's names and literals: { is_flat, arguments => [name, or a reference to a literal] }.
sub compile {
    my ($text) = @_;
    $text = '' if !defined $text;
    $text = "$text";
    my $is_flat = $text =~ /\G\s*\@\s*\{\s*/gc;
    $text =~ /\G\s*/gc;
    my @arguments;
    while (pos($text) < length $text) {
        if ($text =~ /\G([a-zA-Z_:\@][\w.\-:]*)/gc) {
            my $name = $1;
            Carp::croak("Unrecognized identifier $name in argspec") if !$NAME{$name};
            push @arguments, $name;
        }
        elsif ($text =~ /\G(["'])/gc) {
            my $quote = $1;
            $text =~ /\G([^\\$quote]*)/gc;
            my $literal = $1;
            if ($text =~ /\G$quote/gc) {
                Carp::croak('Literal string is longer than 255 chars in argspec') if length $literal > 255;
                push @arguments, \$literal;
            }
            else {
                Carp::croak($text =~ /\G\\/gc ? 'Backslash reserved for literal string in argspec' : 'Unterminated literal string in argspec');
            }
        }
        else {
            Carp::croak('Bad argspec (' . substr($text, pos $text) . ')');
        }
        $text =~ /\G\s*/gc;
        if ($is_flat && $text =~ /\G\}\s*/gc) {
            Carp::croak('Bad argspec: stuff after @{...} (' . substr($text, pos $text) . ')') if pos($text) < length $text;
        }
        last if pos($text) == length $text;
        Carp::croak('Missing comma separator in argspec') if $text !~ /\G,\s*/gc;
    }
    return { is_flat => $is_flat, arguments => \@arguments };
}

# Whether one of those names is among the arguments.
sub has {
    my ($argspec, @names) = @_;
    return grep { my $argument = $_; !ref $argument && grep { $argument eq $_ } @names } @{ $argspec->{arguments} };
}

# How the broker has to give an event's arguments: as a list where that goes into an array, else one by one without what is known here.
sub report {
    my ($callback, $argspec) = @_;
    my $is_list = _is_list($callback, $argspec);
    my @wanted = $is_list ? map { !ref && $_ eq 'self' ? 'undef' : $_ } @{ $argspec->{arguments} } : grep { !_is_known($_) } @{ $argspec->{arguments} };
    my $report = join ',', map { ref $_ ? _quoted($$_) : $_ } @wanted;
    return $is_list ? "[$report]" : $report;
}

sub _is_list {
    my ($callback, $argspec) = @_;
    return ref $callback && Scalar::Util::reftype($callback) eq 'ARRAY' && !$argspec->{is_flat};
}

sub _is_known { return ref $_[0] || $_[0] eq 'self' || $_[0] eq 'undef' }

sub _quoted {
    my ($literal) = @_;
    return index($literal, q(")) < 0 ? qq("$literal") : "'$literal'";
}

# --- Code

# Most scripts have one set of handlers, or a few: their code is compiled once.
my %PROGRAM;

# Those of the arguments that are text.
my %IS_TEXT = map { $_ => 1 } qw(token0 tagname tag text dtext skipped_text);

# What calls handlers: a function that takes the parser, its document, the events as bytes, the arguments, and the handlers by their events'
# numbers; it gives the number of events that were passed on before it was told to stop. Of a document of characters the texts are characters
# as well, also where they are ASCII.
sub program {
    my ($handlers, $is_utf8) = @_;
    return \&_append_all if !$is_utf8 && _is_one_array($handlers);
    my @branches;
    for my $event (2, 4, 3, grep { $_ != 2 && $_ != 3 && $_ != 4 } 0 .. $#EVENTS) {
        my $handler = $handlers->[$event];
        push @branches, "if (\$event == $event) { " . _statement($event, $is_utf8, @$handler) . ' }' if $handler;
    }
    my $code = "sub {\n    my (\$self, \$document, \$events, \$values, \$handlers) = \@_;\n    my \$passed = 0;\n"
        . "    for my \$event (unpack 'C*', \$\$events) {\n        \$passed++;\n        "
        . join("\n        els", @branches)
        . "\n        return \$passed if \$document->{stop};\n    }\n    return \$passed;\n}\n";
    %PROGRAM = () if keys %PROGRAM > 1000;
    return $PROGRAM{$code} ||= _compiled($code);
}

sub _compiled {
    my ($code) = @_;
    my $before = $@;
    my $compiled = eval $code or die $@;    ## no critic (ProhibitStringyEval)
    $@ = $before;
    return $compiled;
}

# Whether everything goes into one and the same array as lists.
sub _is_one_array {
    my ($handlers) = @_;
    my @handlers = grep { $_ } @$handlers;
    return @handlers && !grep { !_is_list(@$_) || $_->[0] != $handlers[0][0] || has($_->[1], 'self') } @handlers;
}

sub _append_all {
    my (undef, undef, $events, $values, $handlers) = @_;
    my ($handler) = grep { $_ } @$handlers;
    push @{ $handler->[0] }, @$values;
    return length $$events;
}

sub _statement {
    my ($event, $is_utf8, $callback, $argspec) = @_;
    my @arguments = @{ $argspec->{arguments} };
    my $handler = "\$handlers->[$event][0]";
    if (_is_list($callback, $argspec)) {
        my $selves = join '', map { " \$list->[$_] = \$self;" } _places_of_self(@arguments);
        my @texts = $is_utf8 ? _places_of_text(@arguments) : ();
        $selves .= ' utf8::upgrade($_) for grep { defined } @{$list}[' . join(', ', @texts) . '];' if @texts;
        return "my \$list = shift \@\$values;$selves push \@{$handler}, \$list;";
    }
    my @values = map { _value($_, $is_utf8) } @arguments;
    return "push \@{$handler}, " . join(', ', @values) . ';' if ref $callback && Scalar::Util::reftype($callback) eq 'ARRAY';
    if (!ref $callback && @arguments && !ref $arguments[0] && $arguments[0] eq 'self') {
        shift @values;
        return "my \$method = $handler; \$self->\$method(" . join(', ', @values) . ');';
    }
    # A function by its name, of the main program if it does not say of what.
    $handler = "\\&{ HTML::Parser::Argspec::function($handler) }" if !ref $callback;
    return "$handler->(" . join(', ', @values) . ');';
}

sub function {
    my ($name) = @_;
    return $name =~ /::|'/ ? $name : "main::$name";
}

sub _value {
    my ($argument, $is_utf8) = @_;
    return q(") . join('', map { sprintf '\x{%x}', ord } split //, $$argument) . q(") if ref $argument;
    return '$self' if $argument eq 'self';
    return 'undef' if $argument eq 'undef';
    return '@{ shift @$values }' if $argument eq '@attr';
    return $is_utf8 && $IS_TEXT{$argument} ? 'HTML::Parser::Argspec::characters(shift @$values)' : 'shift @$values';
}

sub characters {
    utf8::upgrade($_[0]) if defined $_[0];
    return $_[0];
}

sub _places_of_text {
    my (@arguments) = @_;
    my ($attributes) = grep { !ref $arguments[$_] && $arguments[$_] eq '@attr' } 0 .. $#arguments;
    my @texts = grep { !ref $arguments[$_] && $IS_TEXT{ $arguments[$_] } } 0 .. $#arguments;
    return map { defined $attributes && $_ > $attributes ? $_ - @arguments : $_ } @texts;
}

# Where the parser goes in a list; counted from the end behind attributes, of which there are any number.
sub _places_of_self {
    my (@arguments) = @_;
    my @selves = grep { !ref $arguments[$_] && $arguments[$_] eq 'self' } 0 .. $#arguments;
    my ($attributes) = grep { !ref $arguments[$_] && $arguments[$_] eq '@attr' } 0 .. $#arguments;
    return map { defined $attributes && $_ > $attributes ? $_ - @arguments : $_ } @selves;
}

1;
