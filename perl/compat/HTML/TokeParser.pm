package HTML::TokeParser;

# A stand-in for HTML::TokeParser (as of 3.86): tags and the text between them, when they are asked for.

use strict;
use warnings;

use HTML::Entities ();
use HTML::PullParser ();
use HTML::Tagset ();

our $VERSION = '3.86';
our @ISA     = ('HTML::PullParser');

my %ARGSPEC = (
    start         => q('S',tagname,attr,attrseq,text),
    end           => q('E',tagname,text),
    text          => q('T',text,is_cdata),
    process       => q('PI',token0,text),
    comment       => q('C',text),
    declaration   => q('D',text),
    unbroken_text => 1,
);

# The first argument may stand alone: a reference to a document, or what to read it from.
sub new {
    my ($class, @config) = @_;
    unshift @config, ref $config[0] eq 'SCALAR' ? 'doc' : 'file' if @config % 2;
    my %config = @config;
    my $textify = delete $config{textify} || { img => 'alt', applet => 'alt' };
    my $self = $class->SUPER::new(%ARGSPEC, %config) or return undef;    ## no critic (ProhibitExplicitReturnUndef)
    $self->{textify} = $textify;
    return $self;
}

sub get_tag {
    my ($self, @names) = @_;
    my %wanted = map { $_ => 1 } @names;
    while (my $token = $self->get_token) {
        my $type = shift @$token;
        next if $type ne 'S' && $type ne 'E';
        $token->[0] = "/$token->[0]" if $type eq 'E';
        return $token if !@names || $wanted{ $token->[0] };
    }
    return undef;    ## no critic (ProhibitExplicitReturnUndef)
}

# What a tag is as text; nothing where it is none.
sub _textify {
    my ($self, $token) = @_;
    my $tag = $token->[1];
    return if !exists $self->{textify}{$tag};
    my $textify = $self->{textify}{$tag};
    return $textify->(@$token) if ref $textify;
    my $text = $token->[2]{ $textify || 'alt' };
    return defined $text ? $text : "[\U$tag]";
}

# Text up to where $is_end says of a tag, by its name with the `/` of an end, that it ends there; $gap is what a tag leaves in the text.
sub _text_until {
    my ($self, $is_end, $gap) = @_;
    my $text = '';
    while (my $token = $self->get_token) {
        my ($type, $name) = @$token;
        if ($type eq 'T') {
            $name = HTML::Entities::decode_entities($name) if !$token->[2];
            $text .= $name;
        }
        elsif ($type eq 'S' || $type eq 'E') {
            my $shown = $type eq 'S' ? $self->_textify($token) : undef;
            if (defined $shown) {
                $text .= $shown;
                next;
            }
            my $tag = $type eq 'E' ? "/$name" : $name;
            if ($is_end->($tag, $name)) {
                $self->unget_token($token);
                last;
            }
            $text .= ' ' if $gap->($tag, $name);
        }
    }
    return $text;
}

sub get_text {
    my ($self, @ends) = @_;
    my %is_end = map { $_ => 1 } @ends;
    return $self->_text_until(sub { !@ends || $is_end{ $_[0] } }, sub { $_[0] eq 'br' || !$HTML::Tagset::isPhraseMarkup{ $_[1] } });
}

sub get_trimmed_text {
    my $self = shift;
    return _trimmed($self->get_text(@_));
}

sub get_phrase {
    my ($self) = @_;
    return _trimmed($self->_text_until(sub { !$HTML::Tagset::isPhraseMarkup{ $_[1] } }, sub { $_[1] eq 'br' }));
}

sub _trimmed {
    my ($text) = @_;
    $text =~ s/\A\s+//;
    $text =~ s/\s+\z//;
    $text =~ s/\s+/ /g;
    return $text;
}

1;
