package URI::_server;

# URIs whose authority is a server (RFC 3986, 3.2). See URI.

use strict;
use warnings;

use URI::Escape ();
use URI::_generic ();

our $VERSION = '5.17';
our @ISA = ('URI::_generic');

sub default_port { return undef }    ## no critic (ProhibitExplicitReturnUndef)

# Names beyond ASCII go as IDNA has them, and as their UTF-8 where it has none.
sub _escaped_host {
    my ($class, $host) = @_;
    if ($host =~ /[^\x00-\x7f]/) {
        require URI::_idna;
        my $name = do { local ($@, $SIG{__DIE__}); eval { URI::_idna::encode($host) } };
        if (defined $name) {
            $host = $name;
        }
        else {
            utf8::upgrade($host);
        }
    }
    return URI::_escaped($host);
}

sub as_iri {
    my ($self) = @_;
    my $text = $self->SUPER::as_iri;
    if (my ($scheme, $authority, $rest) = $text =~ m{\A($URI::SCHEME:)?//([^/?#]*)(.*)\z}s) {
        return $text if $authority !~ /xn--/i;
        require URI::_idna;
        my ($user, $host) = $authority =~ /\A(.*@)?(.*)\z/s;
        $text = (defined $scheme ? $scheme : '') . '//' . (defined $user ? $user : '') . URI::_idna::decode($host) . $rest;
    }
    return $text;
}

sub _server {
    my ($self) = @_;
    my $authority = $self->authority;
    return if !defined $authority;
    my ($userinfo, $server) = $authority =~ /\A(?:(.*)@)?([^@]*)\z/s;
    my ($host, $port) = $server =~ /\A(.*?)(?::([0-9]*))?\z/s;
    return ($userinfo, $host, $port);
}

sub _set_server {
    my ($self, $userinfo, $host, $port) = @_;
    $host = '' if !defined $host;
    $self->authority((defined $userinfo ? "$userinfo\@" : '') . $host . (defined $port ? ":$port" : ''));
    return;
}

# An address of IPv6 by itself has brackets then, and only the last `@` ends a user.
sub _new_authority {
    my ($self, $authority) = @_;
    my ($user, $server) = $authority =~ /\A(?:(.*)@)?([^@]*)\z/s;
    $user =~ s/@/%40/g if defined $user;
    $server = "[$server]" if $server =~ /\A[0-9a-fA-F:.]*:[0-9a-fA-F:.]*:[0-9a-fA-F:.]*\z/;
    return $self->SUPER::_new_authority((defined $user ? "$user\@" : '') . $server);
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
        # What ends in a port says the port as well; without brackets it may be an address.
        if ($new =~ s/\A(\[.*\]|[^:]*):(\d+)\z/$1/) {
            $port = $2;
        }
        if ($new =~ /\A[^:\[]*:\z/) {
            # A port that is left open is the scheme's.
            undef $port;
        }
        elsif ($new =~ /:/ && $new !~ /\A\[/) {
            $new = "[$new]";
        }
        $new =~ s/@/%40/g;
        $self->_set_server($userinfo, $new, $port);
    }
    return undef if !defined $old;    ## no critic (ProhibitExplicitReturnUndef)
    $old =~ s/\A\[(.*)\]\z/$1/;
    return URI::Escape::uri_unescape($old);
}

sub ihost {
    my ($self, @value) = @_;
    my $old = $self->host(@value);
    return $old if !defined $old || $old !~ /xn--/i;
    require URI::_idna;
    return URI::_idna::decode($old);
}

sub _port {
    my ($self, @value) = @_;
    my ($userinfo, $host, $old) = $self->_server;
    # No port of no server is nothing.
    $self->_set_server($userinfo, $host, $value[0]) if @value && (defined $value[0] || defined $host);
    return defined $old ? $old : ();
}

sub port {
    my ($self, @value) = @_;
    my ($old) = $self->_port(@value);
    return defined $old && length $old ? $old : $self->default_port;
}

sub host_port {
    my ($self, @value) = @_;
    my $old = $self->host;
    my ($port) = $self->_port;
    $self->host($value[0]) if @value;
    $port = $self->port if !defined $port || !length $port;
    return undef if !defined $old;    ## no critic (ProhibitExplicitReturnUndef)
    $old = "[$old]" if $old =~ /:.*:/;
    return defined $port ? "$old:$port" : $old;
}

sub canonical {
    my ($self) = @_;
    my $other = $self->SUPER::canonical;
    my ($userinfo, $host, $port) = $other->_server;
    return $other if !defined $host;
    my $default = $self->default_port;
    my $plain = $port;
    $plain =~ s/\A0+(?=[0-9])// if defined $plain;
    undef $plain if defined $plain && (!length $plain || defined $default && $plain eq $default);
    return $other if $host !~ /[A-Z]/ && (defined $plain ? $plain eq $port : !defined $port);
    $other = $other->clone if URI::_same_object($other, $self);
    # Names of hosts are the same in any case; what is escaped is written in capitals (RFC 3986, 6.2.2.1).
    $host = lc $host;
    $host =~ s/(%[0-9a-f]{2})/\U$1/g;
    $other->_set_server($userinfo, $host, $plain);
    return $other;
}

1;
