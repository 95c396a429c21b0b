package HTML::Parser::Document;

# A parser's settings and what it knows of its document: it goes to the broker in pieces, and what that finds to the handlers.

use strict;
use warnings;

use Carp ();
use CPANBridge::Ahead ();
use CPANBridge::Error ();
use CPANBridge::Frozen ();
use CPANBridge::Shared ();
use HTML::Entities ();
use HTML::Parser::Argspec ();

our $VERSION = '3.86';

# Characters that go to the broker at once, at most and at least. A piece is long where it can be, as each takes a call; where handlers
# change the rules while it is passed on, what is behind has to be looked at again, and short ones pay.
use constant {
    LONGEST  => 1 << 16,
    SHORTEST => 512,
    # Text that goes on and on is reported in parts of this length.
    OF_TEXT => 1 << 22,
    # Of an end tag with all white space that is likely within.
    LONGEST_END => 256,
};

# The parser's options, by the broker's bits, which has one more for what handlers are called with.
my @OPTIONS = qw(strict_comment strict_names xml_mode unbroken_text marked_sections attr_encoded case_sensitive strict_end
    closing_plaintext utf8_mode empty_element_tags xml_pic backquote);
my %BIT = map { ($OPTIONS[$_] => 1 << $_) } 0 .. $#OPTIONS;
my $SKIPPED_TEXT = 1 << @OPTIONS;

sub bits { return %BIT }

sub new {
    my ($class) = @_;
    return bless { options => 0, handlers => {}, tail => '', ahead => '', is_utf8 => 0, state => '', window => LONGEST, eof => 0, stop => 0, parsing => 0 }, $class;
}

# Something was set. While events are passed on, those that were found by the old rules are of no use any more.
sub changed {
    my ($self) = @_;
    delete $self->{rules};
    $self->{stop} = $self->{is_stale} = 1 if $self->{parsing};
    return;
}

# --- Rules

sub _prepare {
    my ($self) = @_;
    my @handlers;
    my ($silent, $decodes) = (0, '');
    my $events = HTML::Parser::Argspec::EVENTS();
    for my $event (grep { $_ ne 'default' } keys %$events) {
        my ($handler) = grep { $_ && defined $_->{callback} } @{ $self->{handlers} }{ $event, 'default' };
        next if !$handler;
        # '' and 0 are for what is to be left out, and is not even skipped.
        if (!ref $handler->{callback} && !$handler->{callback}) {
            $silent |= 1 << $events->{$event};
            next;
        }
        $handlers[ $events->{$event} ] = [$handler->{callback}, $handler->{argspec} || HTML::Parser::Argspec::compile('')];
    }
    for my $argspec (grep { $_ } map { $_->{argspec} } values %{ $self->{handlers} }) {
        $self->{options} |= $SKIPPED_TEXT if HTML::Parser::Argspec::has($argspec, 'skipped_text');
        $decodes ||= 'attr' if HTML::Parser::Argspec::has($argspec, 'attr', '@attr');
        $decodes = 'text' if HTML::Parser::Argspec::has($argspec, 'dtext');
    }
    my %rules = (reports => [map { $_ ? HTML::Parser::Argspec::report(@$_) : undef } @handlers[0 .. 7]]);
    $rules{options} = $self->{options} if $self->{options};
    $rules{silent} = $silent if $silent;
    $rules{$_} = $self->{$_} for grep { $self->{$_} } qw(report_tags ignore_tags ignore_elements boolean_value);
    @{$self}{qw(rules reported decodes)} = (\%rules, \@handlers, $decodes);
    delete $self->{programs};
    return;
}

sub _rules {
    my ($self, $text) = @_;
    _prepare($self) if !$self->{rules};
    my $rules = $self->{rules};
    return $rules if !$self->{decodes} || index($$text, '&') < 0;
    my $own = HTML::Entities::own();
    return $own ? { %$rules, entities => $own } : $rules;
}

# --- The document

# The next chunk, or the end.
sub feed {
    my ($self, $parser, $chunk) = @_;
    $self->{stop} = 0;
    # A handler has died: its chunk is done with.
    @{$self}{qw(tail ahead)} = ('', '') if delete $self->{is_within};
    $self->_return_to;
    return $self->_run($parser, 'document') if !$chunk;
    my $is_new = !length $self->{tail} && !length $self->{state};
    my $text = defined $$chunk ? "$$chunk" : '';
    Carp::croak('Wide character in HTML::Parser::parse') if $self->{options} & $BIT{utf8_mode} && !utf8::downgrade($text, 1);
    _prepare($self) if !$self->{rules};
    $self->_warn_of_encoding(\$text) if $^W && !length $self->{tail} && !$self->{was_fed};
    $self->{was_fed} = 1 if length $text;
    return if !length $text && !$is_new;
    $self->_encode(\$text);
    if (defined $self->{needs} && !$self->_has_needed($text)) {
        $self->{tail} .= $text;
        return;
    }
    $self->{ahead} = $text;
    return $self->_run($parser, 'piece');
}

# Whether this may be the end of what is left: what can't be does not go to the broker with all that is before it.
sub _has_needed {
    my ($self, $text) = @_;
    my $needs = $self->{needs};
    return index($text, '>') >= 0 if $needs eq '>';
    return $text =~ /[\s<]/ if $needs eq ' ';
    # It may have begun before.
    my $near = substr($self->{tail}, -LONGEST_END) . $text;
    return $needs eq '--' ? $near =~ /--\s*>/ : $near =~ m{</$needs\s*>}i;
}

# Characters as UTF-8, which Perl has them as anyway: what is before and behind then has to be that as well.
sub _encode {
    my ($self, $text) = @_;
    my $is_utf8 = utf8::is_utf8($$text) ? 1 : 0;
    my $was_utf8 = length $self->{tail} ? $self->{is_utf8} : $is_utf8;
    $self->{is_utf8} = $is_utf8 || $was_utf8;
    return if !$self->{is_utf8};
    utf8::encode($self->{tail}) if !$was_utf8;
    utf8::encode($$text);
    return;
}

# The next of what was not looked at yet, whole characters, and what it ends with.
sub _take {
    my ($self, $ending) = @_;
    my $piece = substr $self->{ahead}, 0, $self->{window}, '';
    $piece .= $1 if $self->{is_utf8} && $self->{ahead} =~ s/\A([\x80-\xbf]+)//;
    return { piece => $piece, ending => length $self->{ahead} ? 'cut' : $ending };
}

# The parameters of a piece's call, with what was left before it.
sub _params {
    my ($self, $now) = @_;
    my $text = $self->{tail} . $now->{piece};
    # What is text, and longer than others are, may be cut between words.
    my $ending = $now->{ending} eq 'cut' && length $text > OF_TEXT ? 'piece' : $now->{ending};
    return { text => $text, ending => $ending, state => $self->{state}, rules => $self->_rules(\$text), $self->{is_utf8} ? (is_utf8 => 1) : () };
}

sub _run {
    my ($self, $parser, $ending) = @_;
    delete $self->{needs};
    $self->{is_within} = 1;
    my $now = $self->_take($ending);
    # The piece behind it, once that is on its way.
    my $next;
    while (1) {
        my $is_cut = $now->{ending} eq 'cut';
        # It pays to load what reads images of answers: several come.
        CPANBridge::Frozen::header() if $is_cut;
        $now->{params} ||= $self->_params($now);
        my $answer = $self->_pass($parser, $now, \$next);
        last if $self->{eof};
        if ($answer->{is_paused}) {
            # The rest of it is in what is left.
            $now = { piece => '', ending => $now->{ending} };
        }
        elsif ($is_cut) {
            # A token that is longer; or short pieces were good for something and are no more.
            $self->{window} *= 2 if !$answer->{consumed} && length $now->{piece} || $self->{window} < LONGEST;
            $now = $next || $self->_take($ending);
            undef $next;
        }
        else {
            $self->{needs} = $answer->{needs};
            last;
        }
    }
    delete $self->{is_within};
    $self->{window} = LONGEST if $self->{window} > LONGEST;
    @{$self}{qw(tail ahead needs stop)} = ('', '', undef, 0) if $self->{eof};
    if ($ending eq 'document') {
        @{$self}{qw(tail state was_fed)} = ('', '', 0);
        delete $self->{left};
    }
    return;
}

# Where a handler has ended parsing and its script goes on all the same, with the rest or the document's end, what is known of the document is
# what was at that handler's time. Most scripts do not go on.
sub _return_to {
    my ($self) = @_;
    my $params = delete $self->{left} or return;
    $self->{state} = _tokens($params)->{state};
    return;
}

# Passes on what is in a piece; where handlers change the rules, what is behind by the new ones. Gives the broker's last answer. The next piece is
# on its way while handlers are called.
sub _pass {
    my ($self, $parser, $now, $next) = @_;
    my $params = $now->{params};
    my $passed = 0;
    while (1) {
        my $under_way = delete $now->{under_way};
        my $answer = $under_way && $under_way->answer || _tokens($params);
        $self->{state} = $answer->{state};
        $self->{tail} = substr $params->{text}, $answer->{consumed};
        $self->{stop} = 0;
        delete $self->{is_stale};
        if ($now->{ending} eq 'cut' && !$answer->{is_paused} && $self->{window} == LONGEST && !$$next) {
            # With more chunks to come the last of this one is a piece.
            $$next = $self->_take('piece');
            $$next->{params} = $self->_params($$next);
            $$next->{under_way} = HTML::Parser::Document::UnderWay->new($$next->{params});
        }
        $passed += $self->_program(!utf8::is_utf8($answer->{sample}))->($parser, $self, \$answer->{events}, $answer->{values}, $self->{reported})
            if length $answer->{events};
        if ($self->{eof}) {
            $self->{left} = { %$params, last => $passed };
            return $answer;
        }
        return $answer if !delete $self->{is_stale};
        # What comes next is another thing by other rules.
        delete @{$$next}{qw(params under_way)} if $$next;
        $self->{window} = $self->{window} > 2 * SHORTEST ? $self->{window} >> 1 : SHORTEST;
        push @{ $params->{changes} }, { after => $passed, rules => $self->_rules(\$params->{text}) };
    }
}

# Of a document of characters the texts are to be characters as well, also where they are ASCII. In images they are.
sub _program {
    my ($self, $is_plain) = @_;
    my $has_to_widen = $self->{is_utf8} && $is_plain ? 1 : 0;
    return $self->{programs}[$has_to_widen] ||= HTML::Parser::Argspec::program($self->{reported}, $has_to_widen);
}

sub _tokens {
    my ($params) = @_;
    my $before = $@;
    my $bridge = CPANBridge::Shared::bridge();
    my $answer = eval { $bridge->call('html.tokens', $params) };
    # Characters that Perl alone has: halves of pairs of UTF-16, and what is beyond Unicode. Here they are bytes.
    if (!$answer && $params->{is_utf8} && CPANBridge::Error::is_one($@) && $@->code eq 'invalid_params') {
        my $count = $params->{text} =~ s/\xed[\xa0-\xbf][\x80-\xbf]|\xf4[\x90-\xbf][\x80-\xbf]{2}|[\xf5-\xff][\x80-\xbf]+/\xef\xbf\xbd/g;
        $answer = eval { $bridge->call('html.tokens', $params) } if $count;
    }
    die $@ if !$answer;
    $@ = $before;
    return $answer;
}

# --- A call that is under way while handlers are called

{
    package HTML::Parser::Document::UnderWay;

    sub new {
        my ($class, $params) = @_;
        my $ahead = CPANBridge::Ahead->new(CPANBridge::Shared::bridge(), 1);
        my $self = bless { ahead => $ahead, pid => $$ }, $class;
        my $before = $@;
        # What is wrong with it is said when it is needed.
        eval { $ahead->add($ahead->bridge->send_call('html.tokens', $params)) };
        $@ = $before;
        return $self;
    }

    # Nothing if it is a parent's, or failed: then it is asked for again.
    sub answer {
        my ($self) = @_;
        return if $self->{pid} != $$ || $self->{ahead}->is_empty;
        my $before = $@;
        my $answer = eval { $self->{ahead}->take };
        $@ = $before;
        return $answer;
    }

    # A handler may have died, or want no more.
    sub DESTROY {
        my ($self) = @_;
        return if $self->{pid} != $$ || $self->{ahead}->is_empty;
        local ($@, $!, $?);
        eval { $self->{ahead}->give_up };
        return;
    }
}

# --- Warnings

# Of a document that begins as none does that was decoded as it should be; asked for by -w.
sub _warn_of_encoding {
    my ($self, $text) = @_;
    my $begin = substr $$text, 0, 4;
    my $decodes = $self->{decodes} && !($self->{options} & $BIT{attr_encoded} && $self->{decodes} eq 'attr') && !($self->{options} & $BIT{utf8_mode});
    Carp::carp('Parsing of undecoded UTF-8 will give garbage when decoding entities')
        if $decodes && ($begin =~ /\A\xEF\xBB\xBF/ || !utf8::is_utf8($$text) && HTML::Entities::_probably_utf8_chunk($$text));
    Carp::carp('Parsing string decoded with wrong endianness') if $begin =~ /\A\x{FFFE}/;
    return if utf8::is_utf8($$text);
    my $mark = qr/\xFE\xFF|\xFF\xFE/;
    return if $begin !~ /\A(?:\x00\x00)?$mark/;
    Carp::carp('Parsing of undecoded UTF-' . ($begin =~ /\A(?:\x00\x00$mark|$mark\x00\x00)/ ? 32 : 16));
    return;
}

1;
