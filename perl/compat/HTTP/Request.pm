package HTTP::Request;

# A stand-in for HTTP::Request 6.x, written from the original's documentation.

use strict;
use warnings;

use Carp ();
use HTTP::Message ();

our $VERSION = '6.44';
our @ISA = ('HTTP::Message');

sub new {
    my ($class, $method, $uri, $headers, $content) = @_;
    my $self = $class->SUPER::new($headers, $content);
    $self->method($method);
    $self->uri($uri);
    return $self;
}

sub parse {
    my ($class, $text) = @_;
    Carp::carp('Undefined argument to parse()') if !defined $text && $^W;
    $text = '' if !defined $text;
    my $line = $text =~ s/\A(.*)\n// ? $1 : do { my $all = $text; $text = ''; $all };
    my $self = $class->SUPER::parse($text);
    $line =~ s/\r\z//;
    my ($method, $uri, $protocol) = split ' ', $line;
    $self->method($method) if defined $method;
    $self->uri($uri) if defined $uri;
    $self->protocol($protocol) if $protocol;
    return $self;
}

sub clone {
    my ($self) = @_;
    my $clone = bless $self->SUPER::clone, ref $self;
    $clone->method($self->method);
    $clone->uri($self->uri);
    # Whose server the script meant when it asked first (LWP::UserAgent).
    $clone->{home} = $self->{home} if defined $self->{home};
    # Which of its cookies are a jar's.
    @{$clone}{qw(own_cookie sent_cookie)} = @{$self}{qw(own_cookie sent_cookie)} if exists $self->{own_cookie};
    return $clone;
}

sub method { my $self = shift; return $self->_elem('_method', @_) }

sub uri {
    my ($self, @value) = @_;
    my $old = $self->{_uri};
    if (@value) {
        my $uri = $value[0];
        if (!defined $uri) {
            # No URI is one too.
        }
        elsif (!ref $uri) {
            $uri = $HTTP::URI_CLASS->new($uri);
        }
        elsif (eval { $uri->can('clone') } && $uri->can('canonical')) {
            $uri = $uri->clone;
        }
        else {
            my $class = ref $uri;
            Carp::croak("A URI can't be a $class reference");
        }
        $self->{_uri} = $uri;
        delete $self->{_uri_canonical};
    }
    return $old;
}

sub url { my $self = shift; return $self->uri(@_) }

sub uri_canonical {
    my ($self) = @_;
    my $uri = $self->{_uri} or return;
    return $self->{_uri_canonical} ||= $uri->canonical;
}

sub accept_decodable {
    my ($self) = @_;
    return $self->header('Accept-Encoding', scalar $self->decodable);
}

sub as_string {
    my ($self, $eol) = @_;
    my $method = $self->method;
    my $line = (defined $method && length $method ? $method : '-') . ' ' . (defined $self->uri ? $self->uri->as_string : '-');
    my $protocol = $self->protocol;
    $line .= " $protocol" if $protocol;
    return join defined $eol ? $eol : "\n", $line, $self->SUPER::as_string(@_[1 .. $#_]);
}

sub dump {    ## no critic (ProhibitBuiltinHomonyms)
    my ($self, @options) = @_;
    my $method = $self->method;
    my @line = (defined $method && length $method ? $method : '-', defined $self->uri ? $self->uri->as_string : '-', $self->protocol || ());
    return $self->SUPER::dump(preheader => "@line", @options);
}

1;

__END__

=encoding utf8

=head1 NAME

HTTP::Request - a stand-in for HTTP::Request, core Perl only

=head1 METHODS

C<new>, C<parse>, C<clone>, C<method>, C<uri>, C<url>, C<uri_canonical>, C<accept_decodable>, C<as_string>, C<dump>, and those of
L<HTTP::Message>: as in the original (L<https://metacpan.org/pod/HTTP::Request>).

=cut
