package HTML::HeadParser;

# A stand-in for HTML::HeadParser (as of 3.86): what a document's head says, as header fields.

use strict;
use warnings;

use HTML::Entities ();
use HTML::Parser ();

our $VERSION = '3.86';
our @ISA     = ('HTML::Parser');
our $DEBUG;

sub new {
    my ($class, $header) = @_;
    if (!$header) {
        require HTTP::Headers;
        $header = HTTP::Headers->new;
    }
    my $self = $class->SUPER::new(
        api_version     => 3,
        start_h         => ['start', 'self,tagname,attr'],
        end_h           => ['end',   'self,tagname'],
        text_h          => ['text',  'self,text'],
        ignore_elements => ['script', 'style'],
    );
    # The element whose text is wanted, and that.
    @{$self}{qw(header tag text)} = ($header, '', '');
    return $self;
}

sub header {
    my $self = shift;
    return @_ ? $self->{header}->header(@_) : $self->{header};
}

sub as_string { return $_[0]{header}->as_string }

sub flush_text {
    my ($self) = @_;
    my ($tag, $text) = @{$self}{qw(tag text)};
    @{$self}{qw(tag text)} = ('', '');
    return if $tag ne 'title';
    $text = _trimmed($text);
    $text =~ s/\s+/ /g;
    my $is_utf8 = $self->utf8_mode && utf8::decode($text);
    HTML::Entities::decode_entities($text);
    utf8::encode($text) if $is_utf8;
    $self->{header}->push_header(Title => $text);
    return;
}

sub _trimmed {
    my ($text) = @_;
    $text =~ s/\A\s+//;
    $text =~ s/\s+\z//;
    return $text;
}

my %IS_NO_MORE_THAN_A_FRAME = map { $_ => 1 } qw(head html);
my %HAS_TEXT = map { $_ => 1 } qw(title noscript object command);

sub start {
    my ($self, $tag, $attributes) = @_;
    $self->flush_text if $self->{tag};
    my $header = $self->{header};
    if ($tag eq 'meta') {
        my ($name, @value) = _meta($attributes);
        $header->push_header($name => @value) if defined $name;
    }
    elsif ($tag eq 'base') {
        $header->push_header('Content-Base' => _trimmed($attributes->{href})) if exists $attributes->{href};
    }
    elsif ($tag eq 'isindex') {
        $header->push_header(Isindex => $attributes->{prompt} || '?');
    }
    elsif ($tag eq 'link') {
        $header->push_header(Link => _link($attributes)) if exists $attributes->{href};
    }
    elsif ($HAS_TEXT{$tag}) {
        $self->{tag} = $tag;
    }
    elsif (!$IS_NO_MORE_THAN_A_FRAME{$tag}) {
        $self->eof;
    }
    return;
}

# The field of a meta element, and its value.
sub _meta {
    my ($attributes) = @_;
    my $name = $attributes->{'http-equiv'};
    if (!defined $name || !length $name) {
        return ('X-Meta-Charset', $attributes->{charset}) if !$attributes->{name} && $attributes->{charset};
        return if !$attributes->{name};
        $name = "X-Meta-\u$attributes->{name}";
    }
    # It can't be in a field's name.
    $name =~ tr/:/-/;
    return ($name, $attributes->{content});
}

# RFC 8288, with all of the element's attributes; the `/` is what XHTML leaves.
sub _link {
    my ($attributes) = @_;
    my $href = _trimmed(delete $attributes->{href});
    return join '; ', "<$href>", map { qq($_="$attributes->{$_}") } grep { $_ ne '/' } sort keys %$attributes;
}

sub end {
    my ($self, $tag) = @_;
    $self->flush_text if $self->{tag};
    $self->eof if $tag eq 'head';
    return;
}

sub text {
    my ($self, $text) = @_;
    if (!$self->{first_chunk}++) {
        my $mark = $self->utf8_mode ? "\xEF\xBB\xBF" : "\x{FEFF}";
        $text =~ s/\A$mark//;
    }
    if (!$self->{tag} && $text =~ /\S/) {
        # The body begins.
        $self->eof;
    }
    elsif ($self->{tag} eq 'title') {
        $self->{text} .= $text;
    }
    return;
}

1;
