package HTML::LinkExtor;

# A stand-in for HTML::LinkExtor (as of 3.86): the links of a document.

use strict;
use warnings;

use HTML::Parser ();
use HTML::Tagset ();

our $VERSION = '3.86';
our @ISA     = ('HTML::Parser');

# Old scripts look here.
our %LINK_ELEMENT;
*LINK_ELEMENT = \%HTML::Tagset::linkElements;

sub new {
    my ($class, $callback, $base) = @_;
    my $self = $class->SUPER::new(start_h => ['_start_tag', 'self,tagname,attr'], report_tags => [keys %HTML::Tagset::linkElements]);
    $self->{extractlink_cb} = $callback;
    if ($base) {
        require URI;
        $self->{extractlink_base} = URI->new($base);
    }
    return $self;
}

sub _start_tag {
    my ($self, $tag, $attributes) = @_;
    my $names = $HTML::Tagset::linkElements{$tag};
    my $base  = $self->{extractlink_base};
    my @links;
    for my $name (grep { exists $attributes->{$_} } ref $names ? @$names : $names) {
        my $link = $attributes->{$name};
        # As HTML 5 has it: white space around is none of the link.
        $link =~ s/\A\s+//;
        $link =~ s/\s+\z//;
        push @links, $name, $base ? URI->new($link, $base)->abs($base) : $link;
    }
    $self->_found_link($tag, @links) if @links;
    return;
}

sub _found_link {
    my $self = shift;
    my $callback = $self->{extractlink_cb};
    if   ($callback) { $callback->(@_) }
    else             { push @{ $self->{links} }, [@_] }
    return;
}

# Those that were found since this was asked last.
sub links {
    my ($self) = @_;
    return @{ delete $self->{links} || [] };
}

sub parse_file {
    my $self = shift;
    delete $self->{links};
    return $self->SUPER::parse_file(@_);
}

1;
