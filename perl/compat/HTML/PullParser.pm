package HTML::PullParser;

# A stand-in for HTML::PullParser (as of 3.86): tokens one by one, when they are asked for.

use strict;
use warnings;

use Carp ();
use HTML::Parser ();

our $VERSION = '3.86';
our @ISA     = ('HTML::Parser');

# Characters of a document that are parsed at once: few at first, as many scripts want no more than a title.
use constant {
    FIRST   => 1 << 12,
    LARGEST => 1 << 16,
};

sub new {
    my ($class, %config) = @_;
    my %argspec = map { defined $config{$_} ? ($_ => delete $config{$_}) : () } qw(start end text declaration comment process default);
    Carp::croak('Info not collected for any events') if !%argspec;
    my ($file, $document) = delete @config{qw(file doc)};
    Carp::croak(q(Can't parse from both 'doc' and 'file' at the same time)) if defined $file && defined $document;
    Carp::croak(q(No 'doc' or 'file' given to parse from)) if !defined $file && !defined $document;

    my $self = $class->SUPER::new(%config, api_version => 3);
    my $tokens = $self->{pullparser_accum} = [];
    $self->SUPER::handler($_ => $tokens, $argspec{$_}) for keys %argspec;
    if (defined $document) {
        $self->{pullparser_str_ref} = ref $document ? $document : \$document;
        @{$self}{qw(pullparser_str_pos pullparser_size)} = (0, FIRST);
        return $self;
    }
    if (!ref $file && ref \$file ne 'GLOB') {
        CORE::open(my $opened, '<', $file) or return;
        $file = $opened;
    }
    $self->{pullparser_file} = $file;
    $self->{pullparser_size} = do { no warnings; -f $file } ? FIRST : HTML::Parser::OF_STREAM();
    $self->{pullparser_is_stream} = $self->{pullparser_size} < FIRST;
    return $self;
}

sub handler { return Carp::croak(q(Can't set handlers for HTML::PullParser)) }

sub get_token {
    my ($self) = @_;
    my $tokens = $self->{pullparser_accum};
    $self->_parse_more while !@$tokens && !$self->{pullparser_eof};
    return shift @$tokens;
}

sub _parse_more {
    my ($self) = @_;
    my $size = $self->{pullparser_size};
    $self->{pullparser_size} *= 2 if $size < LARGEST && !$self->{pullparser_is_stream};
    if (my $file = $self->{pullparser_file}) {
        my $chunk;
        return $self->parse($chunk) if read $file, $chunk, $size;
        delete $self->{pullparser_file};
    }
    else {
        my ($document, $at) = @{$self}{qw(pullparser_str_ref pullparser_str_pos)};
        # Of its own: that of an ASCII document is of bytes, as in the original.
        my $chunk = substr $$document, $at, $size;
        $self->parse($chunk);
        return $self->{pullparser_str_pos} = $at + $size if $at + $size < length $$document;
        delete @{$self}{qw(pullparser_str_ref pullparser_str_pos)};
    }
    $self->eof;
    return $self->{pullparser_eof} = 1;
}

sub unget_token {
    my $self = shift;
    unshift @{ $self->{pullparser_accum} }, @_;
    return $self;
}

1;
