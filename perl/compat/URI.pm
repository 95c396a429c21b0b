package URI;

# A stand-in for URI 5.x (RFC 3986), written from the original's documentation, its tests, and what it was seen to do. An object is a
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

# Whether brackets stand as they are everywhere, as before 5.11; else only around a host's address.
use constant HAS_RESERVED_SQUARE_BRACKETS => $ENV{URI_HAS_RESERVED_SQUARE_BRACKETS} ? 1 : 0;

our $SCHEME = qr/[a-zA-Z][a-zA-Z0-9.+\-]*/;
# What may stand in a URI as it is; the rest is escaped.
our $CHARACTERS = q(;/?:@&=+$,A-Za-z0-9\-_.!~*'()%) . (HAS_RESERVED_SQUARE_BRACKETS ? '[\]' : '');
our $CHARACTERS_ESCAPED = q(^;/?:@&=+$,A-Za-z0-9\-_.!~*'());

# What modules beside URI build their own patterns of.
our $reserved   = HAS_RESERVED_SQUARE_BRACKETS ? q(;/?:@&=+$,[]) : q(;/?:@&=+$,);
our $mark       = q(-_.!~*'());
our $unreserved = "A-Za-z0-9\Q$mark\E";
our $uric       = quotemeta($reserved) . "$unreserved%";
our $uric4host  = $uric . (HAS_RESERVED_SQUARE_BRACKETS ? '' : quotemeta '[]');
our $scheme_re  = '[a-zA-Z][a-zA-Z0-9.+\-]*';

# By scheme; false where there is none, which is looked for once.
my %CLASS;

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
    elsif (ref $scheme) {
        return ref($scheme)->_init($text, _has_base($scheme) ? $scheme : $scheme->scheme);
    }
    elsif (defined $scheme && length $scheme) {
        $found = $scheme =~ /\A($SCHEME)(?::|\z)/ ? $1 : undef;
    }
    return _class($found)->_init($text, $found);
}

sub _has_base { return UNIVERSAL::isa($_[0], 'URI::WithBase') || UNIVERSAL::isa($_[0], 'URI::URL') }

sub _class {
    my ($scheme) = @_;
    require URI::_generic;
    return 'URI::_generic' if !defined $scheme;
    my $class = _class_of($scheme);
    return $class if defined $class;
    require URI::_foreign;
    return 'URI::_foreign';
}

# The class of a scheme, if there is one, ours or the script's own.
sub _class_of {
    my ($scheme) = @_;
    my $name = lc $scheme;
    return $CLASS{$name} if exists $CLASS{$name};
    # Names of classes have no such characters, and none begins with one of these.
    (my $class = $name) =~ s/\+/_P/g;
    $class =~ s/\./_O/g;
    $class =~ s/-/_/g;
    $class = "URI::$class";
    return $CLASS{$name} = _loaded($class) ? $class : undef;
}

# Whether there is such a class, which is loaded if it must be.
sub _loaded {
    my ($class) = @_;
    return $class->can('_init') || _required($class) && $class->can('_init') ? 1 : 0;
}

# Loads a class that may be there or not: whether it is. One that is there and broken says so. LWP::Protocol's are had in the same way.
sub _required {
    my ($class) = @_;
    (my $file = "$class.pm") =~ s{::}{/}g;
    my $eval_error = $@;
    my $is_there = do { local $SIG{__DIE__} = 'DEFAULT'; eval { require $file; 1 } };
    die $@ if !$is_there && $@ !~ /\ACan't locate \Q$file\E in \@INC/;
    $@ = $eval_error;
    return $is_there;
}

sub _init {
    my ($class, $text, $scheme) = @_;
    # In front of the first slashes behind a scheme nothing is a server's.
    if ($text =~ m{\A((?:$SCHEME:)?//)([^/?#]*)(.*)\z}s) {
        my ($before, $authority, $rest) = ($1, $2, $3);
        $text = $before . $class->_escaped_authority($authority) . _escaped($rest);
    }
    else {
        $text = _escaped($text);
    }
    $text = "$scheme:$text" if defined $scheme && $text !~ /\A$SCHEME:/ && !$class->_has_no_scheme;
    # It is ASCII now, whatever Perl's flag says, which spreads.
    utf8::downgrade($text, 1);
    return bless \$text, $class;
}

sub _has_no_scheme { return 0 }

sub _escaped {
    my ($text) = @_;
    $text =~ s/([^$CHARACTERS#])/URI::Escape::escape_char($1)/ge;
    utf8::downgrade($text);
    return $text;
}

# An address in brackets stands as it is (RFC 3986, 3.2.2).
sub _escaped_authority {
    my ($class, $authority) = @_;
    my ($user, $host, $port) = $authority =~ /\A(.*@)?(.*?)(:[0-9]*)?\z/s;
    my $is_address = $host =~ /\A\[[0-9a-fA-FvV.:%A-Za-z_~\-]*\]\z/;
    $host = $is_address ? '[' . _escaped(substr $host, 1, -1) . ']' : $class->_escaped_host($host);
    return (defined $user ? _escaped($user) : '') . $host . (defined $port ? $port : '');
}

sub _escaped_host { my ($class, $host) = @_; return _escaped($host) }

sub new_abs {
    my ($class, $uri, $base) = @_;
    $uri = $class->new($uri, $base);
    return $uri->abs($base);
}

sub implementor {
    my ($scheme, $class) = @_;
    if (!defined $scheme || $scheme !~ /\A$SCHEME\z/) {
        require URI::_generic;
        return 'URI::_generic';
    }
    $CLASS{ lc $scheme } = $class if defined $class;
    return _class_of($scheme);
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

sub has_recognized_scheme { my ($self) = @_; return ref($self) =~ /\AURI::_/ ? '' : 1 }

# As older versions of Perl freeze and thaw an object that is a reference to a text.
sub STORABLE_freeze { my ($self) = @_; return $$self }
sub STORABLE_thaw { my ($self, undef, $text) = @_; $$self = $text; return }

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
    return utf8::decode($bytes) ? $bytes : uc $escaped;
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

The interface is the original's (L<https://metacpan.org/pod/URI>). There is a class for each of the schemes C<data>, C<file>, C<ftp>, C<ftpes>,
C<ftps>, C<geo>, C<gopher>, C<http>, C<https>, C<icap>, C<icaps>, C<irc>, C<ircs>, C<ldap>, C<ldapi>, C<ldaps>, C<mailto>, C<mms>, C<news>,
C<nntp>, C<nntps>, C<otpauth>, C<pop>, C<rlogin>, C<rsync>, C<rtsp>, C<rtspu>, C<scp>, C<sftp>, C<sip>, C<sips>, C<smb>, C<smtp>, C<snews>,
C<ssh>, C<telnet>, C<tn3270>, C<urn> (with C<isbn> and C<oid>), C<ws> and C<wss>, with the methods that the original's has; other schemes have
those of a URI with a path. C<URI::Escape>, C<URI::Heuristic>, C<URI::IRI>, C<URI::QueryParam>, C<URI::Split>, C<URI::URL>, C<URI::WithBase> and
C<URI::file>, for the paths of Unix, Windows, MS-DOS, OS/2, QNX and the first MacOS, are there as well.

=head1 METHODS

C<new>, C<new_abs>, C<clone>, C<scheme>, C<has_recognized_scheme>, C<opaque>, C<path>, C<fragment>, C<as_string>, C<as_iri>, C<canonical>, C<eq>,
C<abs>, C<rel>, C<secure>, C<implementor>; of URIs with a path C<authority>, C<path_query>, C<path_segments>, C<query>, C<query_form>,
C<query_keywords>, C<query_param>, C<query_param_append>, C<query_param_delete>, C<query_form_hash>; of those with a server
C<userinfo>, C<host>, C<ihost>, C<port>, C<host_port>, C<default_port>; of those that are logged in to C<user>, C<password>: as in the original,
and so are the variables C<$URI::ABS_REMOTE_LEADING_DOTS>, C<$URI::ABS_ALLOW_RELATIVE_SCHEME>, C<$URI::DEFAULT_QUERY_FORM_DELIMITER>,
C<$URI::file::DEFAULT_AUTHORITY>, C<$URI::reserved> and its kin, and C<URI_HAS_RESERVED_SQUARE_BRACKETS> in the environment.

=head1 WHAT DIFFERS

Where versions of the original differ it is as in 5.17, Debian 12's: a field of a form without a value is an empty one. Of its mistakes that
later versions have mended these are not made here: a server of C<host:> is C<host>, C<password(undef)> leaves no colon, C<canonical> takes
zeros from the front of a port, C<authority(undef)> makes no server of a path that begins with two slashes. C<urn:isbn> needs Business::ISBN.

=cut
