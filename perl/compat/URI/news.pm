package URI::news;

# news (RFC 5538): a group, with articles from one number to another, or a message. See URI.

use strict;
use warnings;

use Carp ();
use URI::Escape ();
use URI::_server ();

our $VERSION = '5.17';
our @ISA = ('URI::_server');

sub default_port { return 119 }

# What the path says, without the slash behind a server.
sub _group {
    my ($self, $first, @range) = @_;
    my $old = $self->path;
    $old =~ s{\A/}{};
    if (@_ > 1) {
        my $path = defined $first ? $first : '';
        if ($path =~ /\@/) {
            $path =~ s/\A<(.*)>\z/$1/;
        }
        elsif (@range) {
            $path .= '/' . join '-', grep { defined } @range[0, 1];
        }
        $path =~ s/%/%25/g;
        $path =~ s{/}{%2F}g if $path =~ /\@/;
        $self->path(defined $self->authority ? "/$path" : $path);
    }
    return $old;
}

sub group {
    my ($self, $group, @range) = @_;
    if (@_ > 1) {
        Carp::croak("Group name can't contain '\@'") if defined $group && $group =~ /\@/;
    }
    my $old = $self->_group(@_ > 1 ? ($group, @range) : ());
    return if $old =~ /\@/;
    my ($name, $rest) = split m{/}, $old, 2;
    my ($from, $to) = defined $rest ? split(/-/, $rest, 2) : ();
    $name = '' if !defined $name;
    return wantarray ? (URI::Escape::uri_unescape($name), grep { defined } $from, $to) : URI::Escape::uri_unescape($name);
}

sub message {
    my ($self, @value) = @_;
    if (@value && defined $value[0]) {
        Carp::croak("Message must contain '\@'") if $value[0] !~ /\@/;
    }
    my $old = $self->_group(@value);
    return undef if $old !~ /\@/;    ## no critic (ProhibitExplicitReturnUndef)
    return URI::Escape::uri_unescape($old);
}

1;
