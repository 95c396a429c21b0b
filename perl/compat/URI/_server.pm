package URI::_server;

# URIs whose authority is a server (RFC 3986, 3.2). See URI.

use strict;
use warnings;

use URI::Escape ();
use URI::_generic ();

our $VERSION = '5.17';
our @ISA = ('URI::_generic');

sub default_port { return undef }    ## no critic (ProhibitExplicitReturnUndef)

sub _server {
    my ($self) = @_;
    my $authority = $self->authority;
    return if !defined $authority;
    my ($userinfo, $server) = $authority =~ /\A(?:(.*)@)?([^@]*)\z/s;
    my ($host, $port) = $server =~ /\A(\[[^\]]*\]|[^:]*)(?::(.*))?\z/s;
    return ($userinfo, defined $host ? $host : $server, $port);
}

sub _set_server {
    my ($self, $userinfo, $host, $port) = @_;
    $host = '' if !defined $host;
    $self->authority((defined $userinfo ? "$userinfo\@" : '') . $host . (defined $port ? ":$port" : ''));
    return;
}

sub userinfo {
    my ($self, @value) = @_;
    my ($old, $host, $port) = $self->_server;
    if (@value) {
        my $new = $value[0];
        $new =~ s/@/%40/g if defined $new;
        $self->_set_server($new, $host, $port);
    }
    return $old;
}

sub host {
    my ($self, @value) = @_;
    my ($userinfo, $old, $port) = $self->_server;
    if (@value) {
        my $new = defined $value[0] ? $value[0] : '';
        if ($new =~ s/(?<!:):(\d+)\z// || $new =~ s/(\]):(\d+)\z/$1/) {
            $port = defined $2 ? $2 : $1;
        }
        $new = "[$new]" if $new =~ /:/ && $new !~ /\A\[/;
        $new =~ s/@/%40/g;
        $self->_set_server($userinfo, $new, $port);
    }
    return undef if !defined $old;    ## no critic (ProhibitExplicitReturnUndef)
    $old =~ s/\A\[(.*)\]\z/$1/;
    return URI::Escape::uri_unescape($old);
}

sub ihost { my $self = shift; return $self->host(@_) }

sub _port {
    my ($self, @value) = @_;
    my ($userinfo, $host, $old) = $self->_server;
    $self->_set_server($userinfo, $host, $value[0]) if @value;
    return $old;
}

sub port {
    my ($self, @value) = @_;
    my $old = $self->_port(@value);
    return defined $old && length $old ? $old : $self->default_port;
}

sub host_port {
    my ($self, @value) = @_;
    my $old = $self->host;
    my $port = $self->port;
    $self->host($value[0]) if @value;
    return undef if !defined $old;    ## no critic (ProhibitExplicitReturnUndef)
    $old = "[$old]" if $old =~ /:/;
    return defined $port ? "$old:$port" : $old;
}

# User and password as they stand; and a new one, escaped but for what may stand.
sub _credentials {
    my ($self, $may_stand, @value) = @_;
    my $userinfo = $self->userinfo;
    my ($user, $password) = defined $userinfo ? split(/:/, $userinfo, 2) : ();
    my $new = @value && defined $value[0] ? URI::Escape::uri_escape($value[0], "^A-Za-z0-9\\-._~$may_stand") : undef;
    return ($user, $password, $new);
}

sub user {
    my ($self, @value) = @_;
    my ($user, $password, $new) = $self->_credentials('', @value);
    if (@value) {
        my $nobody = !defined $new && !defined $password;
        $self->userinfo($nobody ? undef : join ':', defined $new ? $new : '', defined $password ? $password : ());
    }
    return defined $user ? URI::Escape::uri_unescape($user) : undef;
}

sub password {
    my ($self, @value) = @_;
    my ($user, $password, $new) = $self->_credentials(':', @value);
    if (@value) {
        $user = '' if !defined $user;
        $self->userinfo(defined $new ? "$user:$new" : length $user ? $user : undef);
    }
    return defined $password ? URI::Escape::uri_unescape($password) : undef;
}

sub canonical {
    my ($self) = @_;
    my $other = $self->SUPER::canonical;
    my ($userinfo, $host, $port) = $other->_server;
    return $other if !defined $host;
    my $default = $self->default_port;
    my $redundant = defined $port && (!length $port || defined $default && $port eq $default);
    return $other if $host !~ /[A-Z]/ && !$redundant;
    $other = $other->clone if URI::_same_object($other, $self);
    $other->_set_server($userinfo, lc $host, $redundant ? undef : $port);
    return $other;
}

1;
