package HTML::Parser::Argspec;

# What handlers are called with, and the code that calls them.

use strict;
use warnings;

use Carp ();
use Scalar::Util ();

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
            Carp::croak('Bad argspec: stuff after @{' . '...} (' . substr($text, pos $text) . ')') if pos($text) < length $text;
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
    my $report = join ',', map { ref $_ ? _quoted($$_) : $_ } grep { $is_list || !_is_known($_) } @{ $argspec->{arguments} };
    return $is_list ? "[$report]" : $report;
}

sub _is_array { return ref $_[0] && Scalar::Util::reftype($_[0]) eq 'ARRAY' }

# Not with the parser, which no broker has, nor with attributes, of which there are any number: then it can't be said what stands where.
sub _is_list {
    my ($callback, $argspec) = @_;
    return _is_array($callback) && !$argspec->{is_flat} && !has($argspec, 'self', '@attr');
}

sub _is_known { return ref $_[0] || $_[0] eq 'self' || $_[0] eq 'undef' }

sub _quoted {
    my ($literal) = @_;
    return index($literal, q(")) < 0 ? qq("$literal") : "'$literal'";
}

# --- Code

# Most scripts have one set of handlers, or a few: their code is compiled once.
my %PROGRAM;

# Arguments that are text.
my %IS_TEXT = map { $_ => 1 } qw(token0 tagname tag text dtext skipped_text);

# What calls handlers: a function that takes the parser, its document, the events as bytes, the arguments, and the handlers by their events'
# numbers; it gives the number of events that were passed on before it was told to stop. With $widens it makes characters of texts.
sub program {
    my ($handlers, $widens) = @_;
    return \&_append_all if !$widens && _is_one_array($handlers);
    my @kinds = $widens ? 'other' : map { $_ ? _kind(@$_) : () } @$handlers;
    my ($kind) = @kinds;
    return _uniform($kind, $handlers) if @kinds && $kind ne 'other' && !grep { $_ ne $kind } @kinds;
    my @branches;
    for my $event (2, 4, 3, grep { $_ != 2 && $_ != 3 && $_ != 4 } 0 .. $#EVENTS) {
        my $handler = $handlers->[$event];
        push @branches, "if (\$event == $event) { " . _statement($event, $widens, @$handler) . ' }' if $handler;
    }
    my $code = "sub {\n    my (\$self, \$document, \$events, \$values, \$handlers) = \@_;\n    my \$passed = 0;\n"
        . "    for my \$event (unpack 'C*', \$\$events) {\n        \$passed++;\n        "
        . join("\n        els", @branches)
        . "\n        return \$passed if \$document->{stop};\n    }\n    return \$passed;\n}\n";
    %PROGRAM = () if keys %PROGRAM > 1000;
    return $PROGRAM{$code} ||= _compiled($code);
}

# How a handler is called: as a function or method with the parser first, or not at all, and else with what the broker gives; or otherwise.
sub _kind {
    my ($callback, $argspec) = @_;
    my @arguments = @{ $argspec->{arguments} };
    my $is_first = @arguments && !ref $arguments[0] && $arguments[0] eq 'self';
    shift @arguments if $is_first;
    return 'other' if _is_array($callback) || !ref $callback && !$is_first || grep { _is_known($_) || $_ eq '@attr' } @arguments;
    return $is_first ? 'method' : 'function';
}

# One call for all events: asking which it is takes as long as calling a handler does.
sub _uniform {
    my ($kind, $handlers) = @_;
    my @callbacks = map { $_ ? $_->[0] : undef } @$handlers;
    my @counts = map { $_ ? @{ $_->[1]{arguments} } - ($kind eq 'method' ? 1 : 0) : 0 } @$handlers;
    if ($kind eq 'method') {
        return sub {
            my ($self, $document, $events, $values) = @_;
            my $passed = 0;
            for my $event (unpack 'C*', $$events) {
                my $method = $callbacks[$event];
                $passed++;
                $self->$method(splice @$values, 0, $counts[$event]);
                return $passed if $document->{stop};
            }
            return $passed;
        };
    }
    return sub {
        my (undef, $document, $events, $values) = @_;
        my $passed = 0;
        for my $event (unpack 'C*', $$events) {
            $passed++;
            $callbacks[$event]->(splice @$values, 0, $counts[$event]);
            return $passed if $document->{stop};
        }
        return $passed;
    };
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
    return if !@handlers || grep { !_is_list(@$_) } @handlers;
    my ($first) = map { Scalar::Util::refaddr($_->[0]) } @handlers;
    return !grep { Scalar::Util::refaddr($_->[0]) != $first } @handlers;
}

sub _append_all {
    my (undef, undef, $events, $values, $handlers) = @_;
    my ($handler) = grep { $_ } @$handlers;
    push @{ $handler->[0] }, @$values;
    return length $$events;
}

sub _statement {
    my ($event, $widens, $callback, $argspec) = @_;
    my @arguments = @{ $argspec->{arguments} };
    my $handler = "\$handlers->[$event][0]";
    if (_is_list($callback, $argspec)) {
        my @texts = $widens ? grep { !ref $arguments[$_] && $IS_TEXT{ $arguments[$_] } } 0 .. $#arguments : ();
        my $widen = @texts ? ' utf8::upgrade($_) for grep { defined } @{$list}[' . join(', ', @texts) . '];' : '';
        return "my \$list = shift \@\$values;$widen push \@{$handler}, \$list;";
    }
    my @values = map { _value($_, $widens) } @arguments;
    if (_is_array($callback)) {
        my $list = join ', ', @values;
        return "push \@{$handler}, " . ($argspec->{is_flat} ? $list : "[$list]") . ';';
    }
    if (!ref $callback && @arguments && !ref $arguments[0] && $arguments[0] eq 'self') {
        shift @values;
        return "my \$method = $handler; \$self->\$method(" . join(', ', @values) . ');';
    }
    my $call = '->(' . join(', ', @values) . ');';
    # A function by its name, of the main program if it does not say of what.
    return ref $callback ? "$handler$call" : "my \$function = HTML::Parser::Argspec::function($handler); \$function$call";
}

sub function {
    my ($name) = @_;
    $name = "main::$name" if $name !~ /::|'/;
    no strict 'refs';
    return \&{$name};
}

sub _value {
    my ($argument, $widens) = @_;
    # A copy, which the handler may change.
    return 'HTML::Parser::Argspec::copy("' . join('', map { sprintf '\x{%x}', ord } split //, $$argument) . '")' if ref $argument;
    return '$self' if $argument eq 'self';
    return 'undef' if $argument eq 'undef';
    return '@{ shift @$values }' if $argument eq '@attr';
    return $widens && $IS_TEXT{$argument} ? 'HTML::Parser::Argspec::characters(shift @$values)' : 'shift @$values';
}

sub copy {
    my ($text) = @_;
    return $text;
}

sub characters {
    utf8::upgrade($_[0]) if defined $_[0];
    return $_[0];
}

1;
