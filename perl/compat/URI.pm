package URI;

# A stand-in for URI 5.x (RFC 3986), written from the original's documentation and from what it was seen to do. An object is a
# reference to its text.

use strict;
use warnings;

use Carp ();
use URI::Escape ();

our $VERSION = '5.17';

use overload
    '""'     => sub { ${ $_[0] } },
    '=='     => sub { _same_object($_[0], $_[1]) },
    '!='     => sub { !_same_object($_[0], $_[1]) },
    fallback => 1;

our ($ABS_REMOTE_LEADING_DOTS, $ABS_ALLOW_RELATIVE_SCHEME, $DEFAULT_QUERY_FORM_DELIMITER);

our $SCHEME = qr/[a-zA-Z][a-zA-Z0-9.+\-]*/;
# What may stand in a URI as it is; the rest is escaped.
our $CHARACTERS = q(;/?:@&=+$,[\]A-Za-z0-9\-_.!~*'()%);

my %CLASS = (
    http   => 'URI::http',
    https  => 'URI::https',
    ftp    => 'URI::ftp',
    file   => 'URI::file',
    mailto => 'URI::mailto',
);

sub _same_object {
    my ($left, $right) = @_;
    return ref $left && ref $right && overload::StrVal($left) eq overload::StrVal($right) ? 1 : '';
}

sub new {
    my ($class, $text, $scheme) = @_;
    $text = defined $text ? "$text" : '';
    # As they stand in text and in mails.
    $text =~ s/\A<(?:URL:)?(.*)>\z/$1/;
    $text =~ s/\A"(.*)"\z/$1/;
    $text =~ s/\A\s+//;
    $text =~ s/\s+\z//;
    my $found;
    if ($text =~ /\A($SCHEME):/) {
        $found = $1;
    }
    elsif (defined $scheme && (ref $scheme || length $scheme)) {
        $found = ref $scheme ? $scheme->scheme : $scheme =~ /\A($SCHEME)(?::|\z)/ ? $1 : $scheme;
    }
    my $self = _class($found)->_init($text, $found);
    return $self;
}

sub _class {
    my ($scheme) = @_;
    my $class = defined $scheme ? $CLASS{ lc $scheme } || 'URI::_foreign' : 'URI::_generic';
    if (defined $scheme && $class eq 'URI::_foreign') {
        # A class of the script's own.
        (my $own = 'URI::' . lc $scheme) =~ s/[^\w:]/_/g;
        $class = $own if $own->can('_init');
    }
    (my $file = "$class.pm") =~ s{::}{/}g;
    $file = 'URI/_generic.pm' if $class eq 'URI::_foreign';
    require $file if !$class->can('_init');
    return $class;
}

sub _init {
    my ($class, $text, $scheme) = @_;
    $text = _escaped($text);
    $text = "$scheme:$text" if defined $scheme && $text !~ /\A$SCHEME:/ && !$class->_has_no_scheme;
    return bless \$text, $class;
}

sub _has_no_scheme { return 0 }

sub _escaped {
    my ($text) = @_;
    $text =~ s/([^$CHARACTERS#])/URI::Escape::escape_char($1)/ge;
    return $text;
}

sub new_abs {
    my ($class, $uri, $base) = @_;
    $uri = $class->new($uri, $base);
    return $uri->abs($base);
}

sub implementor {
    my ($scheme, $class) = @_;
    $CLASS{ lc $scheme } = $class if defined $class;
    return _class($scheme);
}

sub clone { my ($self) = @_; my $text = $$self; return bless \$text, ref $self }
sub TO_JSON { return ${ $_[0] } }

sub _scheme {
    my ($self) = @_;
    return $$self =~ /\A($SCHEME):/ ? $1 : undef;
}

sub scheme {
    my ($self, @value) = @_;
    my $old = $self->_scheme;
    if (@value) {
        my $new = $value[0];
        if (defined $new && length $new) {
            Carp::croak("Bad scheme '$new'") if $new !~ /\A$SCHEME\z/;
            (my $rest = $$self) =~ s/\A$SCHEME://;
            my $other = URI->new("$new:$rest");
            $$self = $$other;
            bless $self, ref $other;
        }
        else {
            $$self =~ s/\A$SCHEME://;
            $$self = "./$$self" if $$self =~ /\A$SCHEME:/;
        }
    }
    return defined $old ? lc $old : undef;
}

sub has_recognized_scheme { my ($self) = @_; return ref $self ne 'URI::_foreign' && defined $self->_scheme ? 1 : '' }

sub opaque {
    my ($self, @value) = @_;
    $$self =~ /\A($SCHEME:)?([^#]*)(#.*)?\z/s or die;
    my ($scheme, $old, $fragment) = ($1, $2, $3);
    if (@value) {
        my $new = defined $value[0] ? $value[0] : '';
        $new =~ s/([^$CHARACTERS])/URI::Escape::escape_char($1)/ge;
        utf8::downgrade($new);
        $$self = join '', map { defined $_ ? $_ : '' } $scheme, $new, $fragment;
    }
    return $old;
}

sub path { my $self = shift; return $self->opaque(@_) }

sub fragment {
    my ($self, @value) = @_;
    $$self =~ /\A([^#]*)(?:#(.*))?\z/s or die;
    my ($before, $old) = ($1, $2);
    if (@value) {
        my $new = $value[0];
        if (defined $new) {
            $new =~ s/([^$CHARACTERS])/URI::Escape::escape_char($1)/ge;
            $$self = "$before#$new";
        }
        else {
            $$self = $before;
        }
    }
    return $old;
}

sub as_string { return ${ $_[0] } }

# With characters in place of escaped UTF-8 (RFC 3987, 3.2).
sub as_iri {
    my ($self) = @_;
    my $text = $$self;
    $text =~ s/((?:%[89A-Fa-f][0-9A-Fa-f])+)/_iri_part($1)/ge;
    return $text;
}

sub _iri_part {
    my ($escaped) = @_;
    my $bytes = URI::Escape::uri_unescape($escaped);
    return utf8::decode($bytes) ? $bytes : $escaped;
}

sub canonical {
    my ($self) = @_;
    my $scheme = $self->_scheme;
    my $text = $$self;
    $text =~ s/\A($SCHEME):/lc($1) . ':'/e if defined $scheme;
    # RFC 3986, 6.2.2: what need not be escaped is not, and the rest in capitals.
    $text =~ s/%([0-9a-fA-F]{2})/_canonical_escape($1)/ge;
    return $self if $text eq $$self;
    return bless \$text, ref $self;
}

sub _canonical_escape {
    my ($digits) = @_;
    my $character = chr hex $digits;
    return $character =~ /[A-Za-z0-9\-._~]/ ? $character : '%' . uc $digits;
}

sub eq {    ## no critic (ProhibitBuiltinHomonyms)
    my ($self, $other) = @_;
    $self  = URI->new($self, $other) if !ref $self;
    $other = URI->new($other, $self) if !ref $other;
    return ref $self eq ref $other && $self->canonical->as_string eq $other->canonical->as_string ? 1 : '';
}

sub abs { return $_[0] }    ## no critic (ProhibitBuiltinHomonyms)
sub rel { return $_[0] }

sub secure { return 0 }

1;

__END__

=encoding utf8

=head1 NAME

URI - a stand-in for URI, core Perl only

=head1 DESCRIPTION

The interface is the original's (L<https://metacpan.org/pod/URI>), for URIs of the schemes C<http>, C<https>, C<ftp>, C<file>, C<mailto>, for
those of other schemes with a path, and for relative ones.

=head1 METHODS

C<new>, C<new_abs>, C<clone>, C<scheme>, C<has_recognized_scheme>, C<opaque>, C<path>, C<fragment>, C<as_string>, C<as_iri>, C<canonical>, C<eq>,
C<abs>, C<rel>, C<secure>, C<implementor>; of URIs with a path C<authority>, C<path_query>, C<path_segments>, C<query>, C<query_form>,
C<query_keywords>, C<query_param>, C<query_param_append>, C<query_param_delete>, C<query_form_hash>; of those with a server
C<userinfo>, C<host>, C<port>, C<host_port>, C<default_port>, C<user>, C<password>: as in the original.

=head1 WHAT DIFFERS

Names of hosts with characters beyond ASCII are kept as they are, not turned into their C<xn--> form. The classes of other
schemes are not there.

=cut
