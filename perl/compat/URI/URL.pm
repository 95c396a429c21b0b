package URI::URL;

# URIs as libwww-perl had them before it had URI. See URI.

use strict;
use warnings;

use Carp ();
use Exporter ();
use URI::Escape qw(uri_unescape);
use URI::WithBase ();
use URI::file ();

our $VERSION = '5.17';
our @ISA = ('URI::WithBase');
our @EXPORT = qw(url);

# Scripts that inherit from it are not to export.
no warnings 'once';
*import = \&Exporter::import;

# The same variables under the name that they had.
*ABS_REMOTE_LEADING_DOTS   = *URI::ABS_REMOTE_LEADING_DOTS;
*ABS_ALLOW_RELATIVE_SCHEME = *URI::ABS_ALLOW_RELATIVE_SCHEME;

my $STRICT = 1;

sub strict {
    my @value = @_;
    my $old = $STRICT;
    $STRICT = $value[-1] if @value;
    return $old;
}

sub url { return URI::URL->new(@_) }

sub new {
    my ($class, @args) = @_;
    my $self = $class->SUPER::new(@args);
    $self->[0] = $self->[0]->canonical;
    return $self;
}

sub newlocal {
    my ($class, $path) = @_;
    return $class->new(URI::file->new_abs(defined $path ? $path : ''));
}

sub _init {
    my ($class, $text, $scheme) = @_;
    return bless [URI->new($text, ref $scheme ? $scheme->[0] : $scheme), ref $scheme ? $scheme : undef], $class;
}

sub print_on { my ($self, $handle) = @_; print {$handle || *STDOUT} "$self\n"; return }

sub abs {    ## no critic (ProhibitBuiltinHomonyms)
    my ($self, $base, $allow_scheme) = @_;
    # Its own base may be relative to one as well.
    $base = $self->base if !defined $base;
    $base = $base->abs if URI::WithBase::_has_base($base) && defined $base->base;
    return $base->clone if ref $base && ref $base ne 'ARRAY' && ${ $self->[0] } eq '';
    local $URI::ABS_ALLOW_RELATIVE_SCHEME = defined $allow_scheme ? $allow_scheme : $URI::ABS_ALLOW_RELATIVE_SCHEME;
    return $self->SUPER::abs($base);
}

sub full_path {
    my ($self) = @_;
    my $path = $self->path_query;
    return length $path ? $path : '/';
}

sub netloc { my $self = shift; return $self->authority(@_) }
sub frag   { my $self = shift; return $self->fragment(@_) }

# --- Paths, with and without what follows behind a semicolon

# Files' and the like have no such thing.
sub _has_params { my ($self) = @_; return $self->[0]->can('_parts') && ($self->[0]->scheme || '') =~ /\A(?:https?|ftp|gopher)?\z/ }

sub epath {
    my ($self, @value) = @_;
    my $uri = $self->[0];
    my $whole = $uri->path;
    my ($old, $params) = $self->_has_params ? split(/(;.*)/s, $whole, 2) : ($whole);
    $old = '' if !defined $old;
    if (@value) {
        my $new = defined $value[0] ? $value[0] : '';
        $new = "/$new" if $new !~ m{\A/} && $uri->can('authority') && defined $uri->authority && length $new;
        $uri->path($new . (defined $params ? $params : ''));
    }
    return $old;
}

sub eparams {
    my ($self, @value) = @_;
    my $uri = $self->[0];
    return undef if !$self->_has_params;    ## no critic (ProhibitExplicitReturnUndef)
    my $whole = $uri->path;
    my ($path, $old) = $whole =~ m{\A(.*?)(?:;([^;/]*))?\z}s;
    # A slash that only parameters needed goes with them.
    $path = '' if @value && $path eq '/' && defined $old;
    $uri->path($path . (defined $value[0] ? ";$value[0]" : '')) if @value;
    return $old;
}

sub params { my $self = shift; return $self->eparams(@_) }

sub path {
    my ($self, @value) = @_;
    my $uri = $self->[0];
    my $old = $self->epath;
    my $whole = $old;
    if (@value) {
        my $new = defined $value[0] ? $value[0] : '';
        # What stands for itself; escaped is what would be taken for something else.
        $new =~ s/([?#]|%(?=[0-9A-Fa-f]{2}))/sprintf '%%%02X', ord $1/ge;
        $self->epath($new);
        return if !defined wantarray;
    }
    return '/' if !length $whole && $uri->can('_parts');
    Carp::croak('Path components contain escaped "/", so the escaped path is needed (epath)') if $whole =~ /%2f/i;
    return uri_unescape($whole);
}

sub path_components { my $self = shift; return $self->[0]->path_segments(@_) }

# --- Queries

sub equery { my $self = shift; return $self->[0]->query(@_) }

sub query {
    my ($self, @value) = @_;
    my $old = $self->equery;
    if (@value) {
        my $new = $value[0];
        $new =~ s/([%])/%25/g if defined $new;
        $self->equery($new);
        return if !defined wantarray;
    }
    return undef if !defined $old;    ## no critic (ProhibitExplicitReturnUndef)
    Carp::croak('Query is a form or has escaped "&" and the like, so the escaped query is needed (equery)') if $old =~ /%(?:26|2[bB]|3[dD])/;
    return uri_unescape($old);
}

sub keywords { my $self = shift; return $self->[0]->query_keywords(@_) }

sub crack {
    my ($self) = @_;
    my $uri = $self->[0];
    my @server = map { my $method = $_; $uri->can($method) ? scalar $uri->$method : undef } qw(user password host port);
    # What has no form without escapes is not told.
    my ($path, $query) = map { my $method = $_; scalar do { local ($@, $SIG{__DIE__}); eval { $self->$method } } } qw(path query);
    return ($uri->scheme, @server, $path, $self->eparams, $query, $uri->fragment);
}

# --- What some schemes had

sub local_path { my ($self) = @_; return $self->[0]->file }
sub unix_path  { my ($self) = @_; return $self->[0]->file('unix') }
sub dos_path   { my ($self) = @_; return $self->[0]->file('dos') }
sub mac_path   { my ($self) = @_; return $self->[0]->file('mac') }
sub vms_path   { my ($self) = @_; return $self->[0]->file('vms') }

sub address        { my $self = shift; return $self->[0]->to(@_) }
sub encoded822addr { my $self = shift; return $self->[0]->to(@_) }
sub article        { my $self = shift; return $self->[0]->message(@_) }
sub groupart       { my $self = shift; return $self->[0]->_group(@_) }

1;
