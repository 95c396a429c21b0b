package LWP::Authen::Digest;

# Digest authentication (RFC 7616) for LWP::UserAgent: MD5 and SHA-256, with quality of protection `auth` or none.

use strict;
use warnings;

use LWP::Authen::Basic ();

our $VERSION = '6.68';
our @ISA = ('LWP::Authen::Basic');

# A challenge to what was a Digest already is a refusal, unless only its nonce was too old.
sub authenticate {
    my ($class, $ua, $is_proxy, $parameters, $response, $request, $arg, $size) = @_;
    my $sent = $request->header($is_proxy ? 'Proxy-Authorization' : 'Authorization');
    return $response if defined $sent && $sent =~ /\ADigest /i && lc($parameters->{stale} || '') ne 'true';
    return $class->SUPER::authenticate($ua, $is_proxy, $parameters, $response, $request, $arg, $size);
}

# Uses of a nonce are counted as long as it is good.
sub _renew {
    my ($class, $ua, $handler, $parameters) = @_;
    my $old = ($handler->{auth_param} || {})->{nonce};
    delete $ua->{authen_md5_nonce_count}{$old} if defined $old && $old ne (defined $parameters->{nonce} ? $parameters->{nonce} : '');
    return $class->SUPER::_renew($ua, $handler, $parameters);
}

sub _is_refused { return 0 }

sub auth_header {
    my ($class, $user, $password, $request, $ua, $handler) = @_;
    my $parameters = $handler->{auth_param};
    my $algorithm = uc($parameters->{algorithm} || 'MD5');
    my $digest = $algorithm =~ /\ASHA-256/ ? do { require Digest::SHA; \&Digest::SHA::sha256_hex } : do { require Digest::MD5; \&Digest::MD5::md5_hex };
    my $uri = $request->uri->path_query;
    $uri = '/' if !length $uri;
    my ($nonce, $realm) = map { defined $_ ? $_ : '' } @{$parameters}{qw(nonce realm)};
    my $count = sprintf '%08x', ++$ua->{authen_md5_nonce_count}{$nonce};
    my $own = $digest->(join ':', time, $$, rand);
    my $who = $digest->("$user:$realm:$password");
    $who = $digest->("$who:$nonce:$own") if $algorithm =~ /-SESS\z/;
    my $what = $digest->($request->method . ":$uri");
    my $with_auth = grep { $_ eq 'auth' } split /[\s;,]+/, $parameters->{qop} || '';
    my $response = $digest->($with_auth ? "$who:$nonce:$count:$own:auth:$what" : "$who:$nonce:$what");
    my @fields = (
        [username => $user, 1], [realm => $realm, 1], [nonce => $nonce, 1], [uri => $uri, 1], [response => $response, 1],
        # Quoted, as the original has it.
        [algorithm => $algorithm, 1],
        defined $parameters->{opaque} ? [opaque => $parameters->{opaque}, 1] : (),
        $with_auth ? ([qop => 'auth', 0], [nc => $count, 0], [cnonce => $own, 1]) : (),
    );
    return 'Digest ' . join ', ', map {
        my ($name, $value, $quoted) = @$_;
        $value =~ s/(["\\])/\\$1/g if $quoted;
        $quoted ? qq($name="$value") : "$name=$value";
    } @fields;
}

1;
