package HTML::Parser;

# A stand-in for HTML::Parser (as of 3.86). The broker finds the tokens: its module `html` has what was compiled code.

use strict;
use warnings;

use Carp ();
use Scalar::Util ();
use CPANBridge::Shared ();
use HTML::Entities ();
use HTML::Parser::Argspec ();
use HTML::Parser::Document ();

our $VERSION = '3.86';

# Where the state stands in the object, as in the original: subclasses keep their own beside it.
use constant KEY => '_hparser_xs_state';

sub new {
    my $class = shift;
    my $self = bless {}, $class;
    return $self->init(@_);
}

sub init {
    my $self = shift;
    my %arg = @_;
    my $state = HTML::Parser::Document->new;
    # Read-only, so that nobody counts it up by mistake.
    Internals::SvREADONLY($state, 1);
    $self->{ KEY() } = \$state;

    my $version = delete $arg{api_version} || (@_ ? 3 : 2);
    Carp::croak("API version $version not supported by HTML::Parser $VERSION") if $version >= 4;
    $self->_call_methods if $version < 3;

    if (my $handlers = delete $arg{handlers}) {
        my %handlers = ref $handlers eq 'ARRAY' ? @$handlers : %$handlers;
        $self->handler($_ => @{ $handlers{$_} }) for keys %handlers;
    }
    for my $name (keys %arg) {
        if ($name =~ /\A(\w+)_h\n?\z/) {
            $self->handler($1 => @{ $arg{$name} });
        }
        elsif ($name =~ /\A(?:text|start|end|process|declaration|comment)\n?\z/) {
            Carp::croak("Bad constructor option '$name'");
        }
        else {
            $self->$name($arg{$name});
        }
    }
    return $self;
}

# As of version 2: methods of the subclass are the handlers.
sub _call_methods {
    my ($self) = @_;
    $self->handler(text    => 'text',    'self,text,is_cdata');
    $self->handler(end     => 'end',     'self,tagname,text');
    $self->handler(process => 'process', 'self,token0,text');
    $self->handler(start   => 'start',   'self,tagname,attr,attrseq,text');
    $self->handler(comment     => sub { my ($self, $tokens) = @_; $self->comment($_) for @$tokens }, 'self,tokens');
    $self->handler(declaration => sub { my ($self, $text) = @_; $self->declaration(substr $text, 2, -1) }, 'self,text');
    return;
}

sub _state {
    my ($self) = @_;
    my $ref = $self->{ KEY() };
    return $$ref if ref $ref && ref $$ref eq 'HTML::Parser::Document';
    Carp::croak("Can't find '_hparser_xs_state' element in HTML::Parser hash") if !exists $self->{ KEY() };
    Carp::croak('_hparser_xs_state element is not a reference') if !ref $ref;
    return Carp::croak('Lost parser state magic');
}

# --- Options

my %bits = HTML::Parser::Document::bits();
for my $name (keys %bits) {
    my $bit = $bits{$name};
    my $option = sub {
        my $state = _state($_[0]);
        my $was = ($state->{options} & $bit) != 0;
        if (@_ > 1 && !$was != !$_[1]) {
            $state->{options} ^= $bit;
            $state->changed;
        }
        return $was;
    };
    no strict 'refs';
    *{$name} = $option;
}

sub boolean_attribute_value {
    my $state = _state($_[0]);
    my $was = $state->{boolean_value};
    if (@_ > 1) {
        $state->{boolean_value} = [$_[1]];
        $state->changed;
    }
    return $was ? $was->[0] : undef;
}

sub report_tags     { return _tag_list('report_tags',     @_) }
sub ignore_tags     { return _tag_list('ignore_tags',     @_) }
sub ignore_elements { return _tag_list('ignore_elements', @_) }

sub _tag_list {
    my ($name, $self, @tags) = @_;
    my $state = _state($self);
    Carp::croak(q(Can't report tag lists yet)) if defined wantarray && (caller 1)[5];
    for my $tag (@tags) {
        Carp::croak('Tag list must be plain scalars and arrays') if ref $tag && Scalar::Util::reftype($tag) ne 'ARRAY';
    }
    @tags ? ($state->{$name} = [map { ref $_ ? grep { defined } @$_ : $_ } @tags]) : delete $state->{$name};
    $state->changed;
    return;
}

sub handler {
    my ($self, $event, @given) = @_;
    my $state = _state($self);
    my $known = HTML::Parser::Argspec::EVENTS();
    Carp::croak('No handler for ' . (defined $event ? $event : '') . ' events') if !defined $event || !exists $known->{$event};
    my $handler = $state->{handlers}{$event} ||= {};
    my $was = $handler->{callback};
    # Compiled before anything is set: what can't be leaves all as it was.
    my $argspec = @given > 1 ? HTML::Parser::Argspec::compile($given[1]) : $handler->{argspec};
    if (@given) {
        my ($callback) = @given;
        Carp::croak('Only code or array references allowed as handler')
            if ref $callback && Scalar::Util::reftype($callback) !~ /\A(?:CODE|ARRAY)\z/;
        %$handler = (callback => defined $callback && !ref $callback ? "$callback" : $callback, argspec => $argspec);
        $state->changed;
    }
    return $was;
}

# --- Documents

# The document's maker may be a function that gives the next chunk.
sub parse {
    my $self = shift;
    my $state = _state($self);
    Carp::croak('Parse loop not allowed') if $state->{parsing};
    local $state->{parsing} = 1;
    if (ref $_[0] && Scalar::Util::reftype($_[0]) eq 'CODE') {
        my $chunk;
        do {
            $chunk = $_[0]->();
            $chunk = undef if defined $chunk && !length $chunk;
            $state->feed($self, defined $chunk ? \$chunk : undef);
        } while (defined $chunk && !$state->{eof});
    }
    else {
        $state->feed($self, \$_[0]);
    }
    return $self if !$state->{eof};
    $state->{eof} = 0;
    return undef;    ## no critic (ProhibitExplicitReturnUndef)
}

# In a handler it ends parsing.
sub eof {    ## no critic (ProhibitBuiltinHomonyms)
    my ($self) = @_;
    my $state = _state($self);
    if ($state->{parsing}) {
        $state->{eof} = $state->{stop} = 1;
        return $self;
    }
    local $state->{parsing} = 1;
    $state->feed($self, undef);
    $state->{eof} = 0;
    return $self;
}

# Bytes of a file that are read at once. What is no plain file gives what it has as it comes.
use constant OF_FILE => 1 << 16;
use constant OF_STREAM => 512;

sub parse_file {
    my ($self, $file) = @_;
    my $opened;
    if (!ref $file && ref \$file ne 'GLOB') {
        CORE::open($opened, '<', $file) or return undef;    ## no critic (ProhibitExplicitReturnUndef)
        binmode $opened;
        $file = $opened;
    }
    my $size = do { no warnings; -f $file } ? OF_FILE : OF_STREAM;
    my $chunk = '';
    while (read $file, $chunk, $size) {
        $self->parse($chunk) || last;
    }
    close $opened if $opened;
    return $self->eof;
}

sub netscape_buggy_comment {
    my $self = shift;
    Carp::carp('netscape_buggy_comment() is deprecated.  Please use the strict_comment() method instead');
    my $was = !$self->strict_comment;
    $self->strict_comment(!$_[0]) if @_;
    return $was;
}

# What subclasses as of version 2 override.
sub text { return }
{
    no warnings 'once';
    *start = *end = *comment = *declaration = *process = \&text;
}

1;
