package LWP::Protocol;

# What speaks a scheme for LWP::UserAgent, and which class does. Classes of the script's own inherit from it.

use strict;
use warnings;

use Carp ();
use HTTP::Response ();
use HTTP::Status ();
use LWP::MemberMixin ();
use LWP::Protocol::Collector ();
use URI ();

our $VERSION = '6.68';
our @ISA = ('LWP::MemberMixin');

# By scheme; false where there is none, which is looked for once.
my %CLASS = (http => 'LWP::Protocol::http', https => 'LWP::Protocol::https', file => 'LWP::Protocol::file');

# Those that come with this, beside ones of the script's own.
our %BUILT_IN = map { $_ => 1 } qw(http https file data ftp gopher mailto news nntp loopback nogo);

sub new {
    my ($class, $scheme, $ua) = @_;
    return bless { scheme => $scheme, ua => $ua, parse_head => $ua->{parse_head}, max_size => $ua->{max_size} }, $class;
}

sub create {
    my ($scheme, $ua) = @_;
    my $class = implementor($scheme) or Carp::croak("Protocol scheme '$scheme' is not supported");
    return $class->new($scheme, $ua);
}

sub implementor {
    my ($scheme, @class) = @_;
    $scheme = lc $scheme;
    if (@class) {
        $CLASS{$scheme} = $class[0];
        delete $BUILT_IN{$scheme};
    }
    return '' if $scheme !~ /\A([.+\-\w]+)\z/;
    # Names of classes have no such characters.
    (my $name = $1) =~ tr/.+\-/_/;
    my $class = exists $CLASS{$scheme} ? $CLASS{$scheme} : "LWP::Protocol::$name";
    return '' if !$class;
    return $class if $class->can('request') || $class->can('new');
    return $CLASS{$scheme} = URI::_required($class) ? $class : '';
}

sub timeout  { my $self = shift; return $self->_elem('timeout',  @_) }
sub max_size { my $self = shift; return $self->_elem('max_size', @_) }

sub request {
    my ($self) = @_;
    Carp::croak('LWP::Protocol::request() needs to be overridden in ' . ref $self);
}

# Gives a response the content that a function has piece by piece, until there is none: by $arg to a file, a callback, or itself.
sub collect {
    my ($self, $arg, $response, $more) = @_;
    my $collector = LWP::Protocol::Collector->new($self->{ua}, $arg, undef);
    $collector->head($response);
    while (1) {
        my $piece = eval { $more->() };
        if (!defined $piece) {
            my $error = $@;
            chomp $error;
            $collector->broken($response, $error) if length $error;
            last;
        }
        last if !length $$piece;
        $collector->data($response, $$piece) or last;
    }
    return $collector->finish($response);
}

# The same for content that is there as a whole.
sub collect_once {
    my ($self, $arg, $response) = @_;
    my @pieces = (\$_[3], \'');
    return $self->collect($arg, $response, sub { return shift @pieces });
}

1;
