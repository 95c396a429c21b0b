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
# Bits of options that are none of the parser's methods.
use constant SKIPPED_TEXT => 1 << 13;
use constant {
    ATTR_ENCODED => 1 << 5,
    UTF8_MODE    => 1 << 9,
};

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
        $self->{options} |= SKIPPED_TEXT if HTML::Parser::Argspec::has($argspec, 'skipped_text');
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
    $self->_return_to;
    return $self->_run($parser, 'document') if !$chunk;
    my $is_new = !length $self->{tail} && !length $self->{state};
    my $text = defined $$chunk ? "$$chunk" : '';
    Carp::croak('Wide character in HTML::Parser::parse') if $self->{options} & UTF8_MODE && !utf8::downgrade($text, 1);
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

# The next of what was not looked at yet: whole characters.
sub _next_piece {
    my ($self) = @_;
    my $piece = substr $self->{ahead}, 0, $self->{window}, '';
    $piece .= $1 if $self->{is_utf8} && $self->{ahead} =~ s/\A([\x80-\xbf]+)//;
    return $piece;
}

sub _run {
    my ($self, $parser, $ending) = @_;
    delete $self->{needs};
    my $piece = $self->_next_piece;
    while (1) {
        my $is_cut = length $self->{ahead};
        # It pays to load what reads images of answers: several come.
        CPANBridge::Frozen::header() if $is_cut;
        # What is text, and longer than others are, may be cut between words.
        my $text = $self->{tail} . $piece;
        my $answer = $self->_pass($parser, $text, !$is_cut ? $ending : length $text > OF_TEXT ? 'piece' : 'cut');
        last if $self->{eof};
        if ($answer->{is_paused}) {
            # The rest of it is in what is left.
            $piece = '';
            next;
        }
        if ($is_cut) {
            # A token that is longer; or short pieces were good for something and are no more.
            $self->{window} *= 2 if !$answer->{consumed} && length $piece || $self->{window} < LONGEST;
            $piece = delete $self->{piece};
            $piece = $self->_next_piece if !defined $piece;
            next;
        }
        $self->{needs} = $answer->{needs};
        last;
    }
    delete $self->{piece};
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

# Passes on what is in a piece; where handlers change the rules, what is behind by the new ones. Gives the broker's last answer.
sub _pass {
    my ($self, $parser, $text, $ending) = @_;
    my %params = (text => $text, ending => $ending, state => $self->{state}, rules => $self->_rules(\$text));
    $params{is_utf8} = 1 if $self->{is_utf8};
    my $passed = 0;
    while (1) {
        my $answer = $self->_awaited(\%params) || _tokens(\%params);
        # Before a handler dies of something: what is in this piece is done with.
        $self->{state} = $answer->{state};
        $self->{tail} = substr $params{text}, $answer->{consumed};
        $self->{stop} = 0;
        delete $self->{is_stale};
        $self->_send_ahead if $ending eq 'cut' && !$answer->{is_paused} && $self->{window} == LONGEST;
        $passed += $self->_program(!utf8::is_utf8($answer->{sample}))->($parser, $self, \$answer->{events}, $answer->{values}, $self->{reported})
            if length $answer->{events};
        if ($self->{eof}) {
            delete $self->{under_way};
            $self->{left} = { %params, last => $passed };
            return $answer;
        }
        return $answer if !delete $self->{is_stale};
        delete $self->{under_way};
        $self->{window} = $self->{window} > 2 * SHORTEST ? $self->{window} >> 1 : SHORTEST;
        push @{ $params{changes} }, { after => $passed, rules => $self->_rules(\$text) };
    }
}

# The next piece is on its way while handlers are called.
sub _send_ahead {
    my ($self) = @_;
    my $piece = $self->{piece} = $self->_next_piece;
    my $text = $self->{tail} . $piece;
    my %params = (text => $text, ending => length $self->{ahead} ? 'cut' : 'piece', state => $self->{state}, rules => $self->_rules(\$text));
    $params{is_utf8} = 1 if $self->{is_utf8};
    $self->{under_way} = HTML::Parser::Document::Ahead->new(\%params);
    return;
}

# The answer to these parameters, if they are on their way.
sub _awaited {
    my ($self, $params) = @_;
    my $ahead = delete $self->{under_way} or return;
    return $ahead->answer($params);
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
    package HTML::Parser::Document::Ahead;

    sub new {
        my ($class, $params) = @_;
        my $ahead = CPANBridge::Ahead->new(CPANBridge::Shared::bridge(), 1);
        my $self = bless { ahead => $ahead, params => $params, pid => $$ }, $class;
        my $before = $@;
        # What is wrong with it is said when it is needed.
        eval { $ahead->add($ahead->bridge->send_call('html.tokens', $params)) };
        $@ = $before;
        return $self;
    }

    # Nothing if it was for others, or failed: then it is asked for again.
    sub answer {
        my ($self, $params) = @_;
        return if $self->{pid} != $$ || $self->{ahead}->is_empty || grep { $params->{$_} ne $self->{params}{$_} } qw(text ending state rules);
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
    my $decodes = $self->{decodes} && !($self->{options} & ATTR_ENCODED && $self->{decodes} eq 'attr') && !($self->{options} & UTF8_MODE);
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
