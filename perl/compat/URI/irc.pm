package URI::irc;

# irc, as draft-butcher-irc-url has it. See URI.

use strict;
use warnings;

use URI::Escape ();
use URI::_login ();

our $VERSION = '5.17';
our @ISA = ('URI::_login');

sub default_port { return 6667 }

# A channel's # begins no fragment.
sub _init {
    my ($class, $text, $scheme) = @_;
    $text = "$text";
    $text =~ s/\#/%23/g;
    my $self = $class->SUPER::_init($text, $scheme);
    $$self =~ s/%23/#/g;
    return $self;
}

sub _parts {
    my ($self) = @_;
    $$self =~ m{\A($URI::SCHEME:)?(?://([^/?]*))?([^?]*)(?:\?(.*))?\z}s or die "no URI: $$self";
    return ($1, $2, $3, $4, undef);
}

sub fragment { return undef }    ## no critic (ProhibitExplicitReturnUndef)

sub path {
    my ($self, @value) = @_;
    my $old = ($self->_parts)[2];
    if (@value) {
        my $new = defined $value[0] ? $value[0] : '';
        $new =~ s/\#/%23/g;
        $self->SUPER::path($new);
        $$self =~ s/%23/#/g;
    }
    return $old;
}

# What is asked for and flags, with commas between.
sub _path_parts { my ($self) = @_; (my $path = $self->path) =~ s{\A/}{}; return split /,/, $path }

sub entity {
    my ($self, @value) = @_;
    my ($old, @flags) = $self->_path_parts;
    $self->path('/' . join ',', $value[0], @flags) if @value;
    return defined $old ? URI::Escape::uri_unescape($old) : $old;
}

sub flags {
    my ($self, @value) = @_;
    my ($entity, @old) = $self->_path_parts;
    $self->path('/' . join ',', defined $entity ? $entity : '', ref $value[0] ? @{ $value[0] } : @value) if @value;
    return @old;
}

sub options {
    my $self = shift;
    return $self->query_form(@_);
}

# Flags by the names that are theirs now, each once, and none that says what goes without saying.
sub canonical {
    my ($self) = @_;
    my $other = $self->SUPER::canonical;
    my ($entity, @flags) = $other->_path_parts;
    return $other if !@flags;
    my %seen;
    my @kept = grep { !$seen{$_}++ && $_ ne 'isserver' } map { $_ eq 'isnick' ? 'isuser' : $_ } @flags;
    # A server's name is told by the flag; of two kinds the first one counts.
    my ($kind) = grep { /\Ais(?:channel|user)\z/ } @kept;
    @kept = grep { !/\Ais(?:channel|user)\z/ || $_ eq $kind } @kept;
    my $path = '/' . join ',', defined $entity ? $entity : '', @kept;
    return $other if $path eq $other->path;
    $other = $other->clone if URI::_same_object($other, $self);
    $other->path($path);
    return $other;
}

1;
