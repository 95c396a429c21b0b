package HTTP::Headers;

# A stand-in for HTTP::Headers 6.x, written from the original's documentation and from what it was seen to do.

use strict;
use warnings;

use Carp ();

our $VERSION = '6.44';

our $TRANSLATE_UNDERSCORE = 1;

# The order of RFC 2616: general, request, response, entity fields; what is not among them comes behind.
my @ORDER = qw(
    Cache-Control Connection Date Pragma Trailer Transfer-Encoding Upgrade Via Warning
    Accept Accept-Charset Accept-Encoding Accept-Language Authorization Expect From Host If-Match If-Modified-Since
    If-None-Match If-Range If-Unmodified-Since Max-Forwards Proxy-Authorization Range Referer TE User-Agent
    Accept-Ranges Age ETag Location Proxy-Authenticate Retry-After Server Vary WWW-Authenticate
);
my @ENTITY = qw(
    Allow Content-Encoding Content-Language Content-Length Content-Location Content-MD5 Content-Range Content-Type
    Expires Last-Modified
);
my %IS_ENTITY = map { lc $_ => 1 } @ENTITY;
# What every response of LWP's has beside those.
my @CLIENT = qw(Client-Date Client-Peer Client-Response-Num);

my (%RANK, %SPELT, %KNOWN, %KNOWN_OTHERWISE);
for my $name (@ORDER, @ENTITY) {
    $RANK{ lc $name } = 1 + keys %RANK;
}
for my $name (@ORDER, @ENTITY, @CLIENT) {
    $SPELT{ lc $name } = $name;
    (my $with_underscores = $name) =~ tr/-/_/;
    $KNOWN{$_} = lc $name for $name, lc $name;
    $KNOWN_OTHERWISE{$with_underscores} = lc $name;
}

sub new {
    my ($class, @fields) = @_;
    my $self = bless {}, $class;
    $self->header(@fields) if @fields;
    return $self;
}

# The key of a field, and how it is spelt in these headers from now on: as it was seen first. A leading colon keeps a name as it is.
sub _key {
    my ($name, $self) = @_;
    # As most are written.
    return $KNOWN{$name} if defined $name && $KNOWN{$name};
    return $KNOWN_OTHERWISE{$name} if defined $name && $TRANSLATE_UNDERSCORE && $KNOWN_OTHERWISE{$name};
    Carp::croak('Illegal field name \'' . (defined $name ? $name : '') . '\'')
        if !defined $name || !length $name || rindex($name, ':') > 1;
    return $name if $name =~ /\A:/;
    $name =~ tr/_/-/ if $TRANSLATE_UNDERSCORE;
    my $key = lc $name;
    return $key if $SPELT{$key} || !$self || $self->{'::std_case'}{$key};
    $name =~ s/\b(\w)/\u$1/g;
    $self->{'::std_case'}{$key} = $name;
    return $key;
}

# As the original's, for modules beside it: what a field was, and what it becomes (`SET`, `PUSH`, `INIT`, `GET`).
sub _header {
    my ($self, $name, $value, $how) = @_;
    $how = defined $value ? 'SET' : 'GET' if !defined $how;
    return $self->_values(_key($name, $self)) if $how eq 'GET';
    return $self->_set($name, $value, $how =~ /\APUSH/ ? 'push' : lc $how);
}

sub _spelt {
    my ($self, $key) = @_;
    return $SPELT{$key} || ($self->{'::std_case'} || {})->{$key} || $key;
}

# Keys of fields; what is kept beside them begins with two colons.
sub _fields { my ($self) = @_; return grep { !/\A::/ } keys %$self }

sub _values {
    my ($self, $key) = @_;
    my $value = $self->{$key};
    return ref $value eq 'ARRAY' ? @$value : defined $value ? $value : ();
}

sub _store {
    my ($self, $key, @values) = @_;
    $self->{$key} = @values == 1 ? $values[0] : \@values;
    return;
}

sub _set {
    my ($self, $name, $value, $how) = @_;
    my $key = _key($name, $self);
    my @old = $self->_values($key);
    return @old if $how eq 'init' && @old;
    if (defined $value) {
        $self->_store($key, $how eq 'push' ? @old : (), ref $value eq 'ARRAY' ? @$value : $value);
    }
    elsif ($how ne 'push') {
        delete $self->{$key};
    }
    return @old;
}

sub header {
    my $self = shift;
    Carp::croak('Usage: $h->header($field, ...)') if !@_;
    my (@old, %seen);
    if (@_ == 1) {
        @old = $self->_values(_key($_[0], $self));
    }
    else {
        while (@_) {
            my ($name, $value) = splice @_, 0, 2;
            @old = $self->_set($name, $value, $seen{ lc $name }++ ? 'push' : 'set');
        }
    }
    return @old if wantarray;
    return $old[0] if @old <= 1;
    return join ', ', @old;
}

sub push_header {
    my $self = shift;
    while (@_) {
        my ($name, $value) = splice @_, 0, 2;
        my $key = _key($name, $self);
        # The head of every response comes by here, and nearly every field of it is new and plain.
        if (defined $value && !ref $value && !defined $self->{$key}) {
            $self->{$key} = $value;
            next;
        }
        $self->_set($name, $value, 'push');
    }
    return;
}

sub init_header {
    my ($self, $name, $value) = @_;
    Carp::croak('Usage: $h->init_header($field, $val)') if @_ != 3;
    $self->_set($name, $value, 'init');
    return;
}

sub remove_header {
    my ($self, @names) = @_;
    my @values;
    for my $name (@names) {
        my $key = _key($name, $self);
        push @values, $self->_values($key);
        delete $self->{$key};
    }
    return @values;
}

sub remove_content_headers {
    my ($self) = @_;
    my @keys = grep { $IS_ENTITY{$_} || /\Acontent-/ } $self->_fields;
    return delete @{$self}{@keys} if !defined wantarray;
    my $removed = ref($self)->new;
    $removed->{$_} = delete $self->{$_} for @keys;
    $removed->{'::std_case'} = { %{ $self->{'::std_case'} } } if $self->{'::std_case'};
    return $removed;
}

sub clear { my ($self) = @_; %$self = (); return }

sub clone {
    my ($self) = @_;
    my $clone = ref($self)->new;
    $self->scan(sub { $clone->push_header(@_) });
    $clone->{'::std_case'} = { %{ $self->{'::std_case'} } } if $self->{'::std_case'};
    return $clone;
}

sub _sorted_keys {
    my ($self) = @_;
    return sort { ($RANK{$a} || 999) <=> ($RANK{$b} || 999) || $a cmp $b } $self->_fields;
}

sub header_field_names {
    my ($self) = @_;
    my @keys = wantarray ? $self->_sorted_keys : return scalar(my @all = $self->_fields);
    return map { $self->_spelt($_) } @keys;
}

sub scan {
    my ($self, $code) = @_;
    for my $key ($self->_sorted_keys) {
        my $name = $self->_spelt($key);
        my $value = $self->{$key};
        # Of several the script gets the values themselves.
        ref $value eq 'ARRAY' ? $code->($name, $_) : $code->($name, $value) for ref $value eq 'ARRAY' ? @$value : 1;
    }
    return;
}

sub flatten {
    my ($self) = @_;
    my @pairs;
    $self->scan(sub { push @pairs, @_ });
    return @pairs;
}

sub as_string {
    my ($self, $eol) = @_;
    $eol = "\n" if !defined $eol;
    my @lines;
    for my $key ($self->_sorted_keys) {
        # Fields of internal use are not shown with their colon.
        (my $name = $self->_spelt($key)) =~ s/\A://;
        push @lines, "$name: " . _folded($_, $eol) for $self->_values($key);
    }
    return join $eol, @lines, '';
}

# A value of several lines: those that go on a field are indented (RFC 9112, 5.2), and none is empty.
sub _folded {
    my ($value, $eol) = @_;
    return $value if index($value, "\n") < 0;
    $value =~ s/\s+\z//;
    $value =~ s/\n(?:\015?\n)+/\n/g;
    $value =~ s/\n([^\040\t])/\n $1/g;
    $value =~ s/\n/$eol/g;
    return $value;
}

# --- Fields with a method of their own

for my $name (qw(From Server User_Agent Content_Encoding Content_Language Content_Length Title WWW_Authenticate Authorization
    Proxy_Authenticate Proxy_Authorization Warning)) {
    my $method = lc $name;
    my $field = $name;
    ## no critic (ProhibitNoStrict)
    no strict 'refs';
    *{$method} = sub {
        my ($self, @value) = @_;
        return ($self->_header($field, $value[0], defined $value[1] ? $value[1] : 'SET'))[0] if @value;
        return ($self->_values(_key($field, $self)))[0];
    };
}

for my $name (qw(Date Expires If_Modified_Since If_Unmodified_Since Last_Modified Client_Date)) {
    my $field = $name;
    ## no critic (ProhibitNoStrict)
    no strict 'refs';
    *{ lc $name } = sub { my $self = shift; return $self->_date_header($field, @_) };
}

sub _date_header {
    my ($self, $field, @time) = @_;
    require HTTP::Date;
    my ($old) = $self->_values(_key($field, $self));
    $self->_set($field, defined $time[0] ? HTTP::Date::time2str($time[0]) : undef, 'set') if @time;
    $old =~ s/;.*// if defined $old;
    return HTTP::Date::str2time($old);
}

sub retry_after {
    my ($self, @value) = @_;
    return $self->_date_header('Retry-After', @value) if @value && ($value[0] || 0) > 1_000_000_000;
    my ($old) = @value ? $self->_set('Retry-After', $value[0], 'set') : $self->_values('retry-after');
    return $old if !defined $old || $old !~ /\D/;
    require HTTP::Date;
    return HTTP::Date::str2time($old);
}

sub if_range {
    my ($self, @value) = @_;
    return (@value ? $self->_set('If-Range', $value[0], 'set') : $self->_values('if-range'))[0];
}

sub referer {
    my ($self, @value) = @_;
    if (@value && defined $value[0] && $value[0] =~ /#/) {
        # Fragments are nobody else's business.
        if (ref $value[0]) {
            $value[0] = $value[0]->clone;
            $value[0]->fragment(undef);
        }
        else {
            $value[0] =~ s/#.*//s;
        }
    }
    return (@value ? $self->_set('Referer', $value[0], 'set') : $self->_values('referer'))[0];
}
sub referrer { my $self = shift; return $self->referer(@_) }

sub content_type {
    my ($self, @value) = @_;
    my ($old) = $self->_values('content-type');
    $self->_set('Content-Type', $value[0], 'set') if @value;
    return '' if !defined $old || !length $old;
    my @parts = split /;\s*/, $old, 2;
    $parts[0] =~ s/\s+//g;
    $parts[0] = lc $parts[0];
    return wantarray ? @parts : $parts[0];
}

sub content_type_charset {
    my ($self) = @_;
    my ($old) = $self->_values('content-type');
    $old = '' if !defined $old;
    require HTTP::Headers::Util;
    my ($first) = HTTP::Headers::Util::split_header_words($old);
    my ($type, undef, %parameters) = @{ $first || [] };
    my $charset = $parameters{charset};
    # Without the blanks around it, in one look.
    ($charset) = defined $charset ? uc($charset) =~ /\A\s*+(.*\S)/s : ();
    return wantarray ? ($type, $charset) : $charset;
}

sub content_is_text {
    my ($self) = @_;
    return scalar $self->content_type =~ m{\Atext/};
}

sub content_is_html {
    my ($self) = @_;
    return $self->content_type eq 'text/html' || $self->content_is_xhtml;
}

sub content_is_xhtml {
    my ($self) = @_;
    my $type = $self->content_type;
    return $type eq 'application/xhtml+xml' || $type eq 'application/vnd.wap.xhtml+xml';
}

sub content_is_xml {
    my ($self) = @_;
    my $type = $self->content_type;
    return 1 if $type eq 'text/xml' || $type eq 'application/xml' || $type =~ /\+xml\z/;
    return 0;
}

sub authorization_basic       { my $self = shift; return $self->_basic('Authorization',       @_) }
sub proxy_authorization_basic { my $self = shift; return $self->_basic('Proxy-Authorization', @_) }

sub _basic {
    my ($self, $field, @credentials) = @_;
    require MIME::Base64;
    my ($old) = $self->_values(_key($field, $self));
    if (@credentials) {
        my ($user, $password) = @credentials;
        Carp::croak("Basic authorization user name can't contain ':'") if defined $user && $user =~ /:/;
        $password = '' if !defined $password;
        $self->_set($field, defined $user ? 'Basic ' . MIME::Base64::encode_base64("$user:$password", '') : undef, 'set');
    }
    return if !defined $old || $old !~ s/\A\s*Basic\s+//;
    my $decoded = MIME::Base64::decode_base64($old);
    return $decoded if !wantarray;
    return split /:/, $decoded, 2;
}

1;

__END__

=encoding utf8

=head1 NAME

HTTP::Headers - a stand-in for HTTP::Headers, core Perl only

=head1 DESCRIPTION

The interface is the original's (L<https://metacpan.org/pod/HTTP::Headers>), all of it but C<as_string> of objects that are no
C<HTTP::Headers>.

=head1 METHODS

C<new>, C<header>, C<push_header>, C<init_header>, C<remove_header>, C<remove_content_headers>, C<clear>, C<clone>,
C<header_field_names>, C<scan>, C<flatten>, C<as_string>; for single fields C<date>, C<expires>, C<if_modified_since>,
C<if_unmodified_since>, C<last_modified>, C<client_date>, C<retry_after>, C<if_range>, C<from>, C<server>, C<user_agent>, C<referer>,
C<referrer>, C<title>, C<warning>, C<content_type>, C<content_type_charset>, C<content_is_text>, C<content_is_html>,
C<content_is_xhtml>, C<content_is_xml>, C<content_encoding>, C<content_language>, C<content_length>, C<www_authenticate>,
C<proxy_authenticate>, C<authorization>, C<proxy_authorization>, C<authorization_basic>, C<proxy_authorization_basic>: as in the
original.

=cut
