package LWP::UserAgent::Proxies;

# Which requests of a LWP::UserAgent go through which proxy.

use strict;
use warnings;

use Carp ();
use CPANBridge::HTTP::Proxy ();

our $VERSION = '6.68';

sub proxy {
    my ($self, $scheme, @value) = @_;
    if (ref $scheme) {
        if (!@value) {
            # Pairs: schemes and proxies.
            my @pairs = @$scheme;
            Carp::croak('odd number of items in proxy arrayref!') if @pairs % 2;
            while (my ($schemes, $proxy) = splice @pairs, 0, 2) {
                $self->proxy($schemes, $proxy);
            }
            return;
        }
        return map { $self->_proxy($_, @value) } @$scheme;
    }
    return $self->_proxy($scheme, @value);
}

sub _proxy {
    my ($self, $scheme, @value) = @_;
    my $old = $self->{proxy}{$scheme};
    if (@value) {
        my $url = $value[0];
        if (defined $url && length $url) {
            Carp::croak("Proxy must be specified as absolute URI; '$url' is not") if $url !~ /\A[A-Za-z][\w.+\-]*:/;
            Carp::croak("Bad http proxy specification '$url'") if $url =~ /\Ahttps?:/ && $url !~ m{\Ahttps?://(?:[^/?#@]*@)?(?:\[|\w)};
        }
        $self->{proxy}{$scheme} = $url;
    }
    return $old;
}

sub env_proxy {
    my ($self) = @_;
    # By scheme, the variable that it came from. Capitals come first.
    my %from;
    for my $name (sort keys %ENV) {
        my $variable = lc $name;
        # What a web server's client may set by a header is nobody's proxy.
        next if $ENV{REQUEST_METHOD} && $name eq 'HTTP_PROXY';
        $variable = 'http_proxy' if $variable eq 'cgi_http_proxy';
        next if $variable !~ /\A(\w+)_proxy\z/;
        my $scheme = $1;
        my $value = $ENV{$name};
        if ($scheme eq 'no') {
            $self->no_proxy(split /\s*,\s*/, $value);
        }
        elsif (length $value) {
            next if $scheme !~ /\A[a-z][\w.+\-]*\z/;
            if (defined(my $first = $from{$scheme})) {
                Carp::carp("Environment contains multiple differing definitions for '$variable'.\n"
                    . "Using value from '$first' ($ENV{$first}) and ignoring '$name' ($value)") if $ENV{$first} ne $value;
                next;
            }
            $from{$scheme} = $name;
            $value = "http://$value" if $value !~ m{\A[A-Za-z][\w.+\-]*://};
            $self->proxy($scheme, $value);
        }
    }
    return;
}

sub no_proxy {
    my ($self, @names) = @_;
    if (@names) {
        push @{ $self->{no_proxy} }, grep { length } @names;
    }
    else {
        $self->{no_proxy} = [];
    }
    return;
}

sub _proxy_for {
    my ($self, $request) = @_;
    my $uri = $request->uri;
    my $proxy = $request->{proxy};
    $proxy = $self->{proxy}{ $uri->scheme } if !defined $proxy;
    return if !defined $proxy || !length $proxy;
    my $host = $uri->can('host') ? $uri->host : undef;
    return if defined $host && CPANBridge::HTTP::Proxy::is_exempt($host, @{ $self->{no_proxy} });
    $request->{proxy} = $proxy;
    return $proxy;
}

1;
