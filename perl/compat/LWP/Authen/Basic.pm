package LWP::Authen::Basic;

# Basic authentication (RFC 7617) for LWP::UserAgent.

use strict;
use warnings;

our $VERSION = '6.68';

sub authenticate {
    my ($class, $ua, $is_proxy, $parameters, $response, $request, $arg, $size) = @_;
    my $realm = defined $parameters->{realm} ? $parameters->{realm} : '';
    my $url = $is_proxy ? _proxy_uri($request) : $request->uri_canonical;
    return $response if !$url;
    my $field = $is_proxy ? 'Proxy-Authorization' : 'Authorization';
    my @where = ($is_proxy ? (m_proxy => "$url") : (m_host_port => $url->host_port), realm => $realm, owner => $class);
    my $was_sent = $request->header($field);
    # Sends what is known then along with requests that it is for, before anybody asks (RFC 7617, 2.2).
    my $handler = $ua->get_my_handler('request_prepare', @where, sub {
        $_[0]{callback} = sub {
            my ($later, $agent, $known) = @_;
            my ($user, $password) = $agent->credentials($url->host_port, $realm);
            $later->header($field => $class->auth_header($user, $password, $later, $agent, $known)) if defined $user;
            return;
        };
    });
    $class->_renew($ua, $handler, $parameters);
    my $is_known = !defined $was_sent && $ua->credentials($url->host_port, $realm);
    if (!$is_known) {
        my ($user, $password) = $ua->get_basic_credentials($realm, $url, $is_proxy);
        if (!defined $user || !defined $password) {
            $ua->remove_handler('request_prepare', @where);
            return $response;
        }
        # Once more with the same is of no use.
        return $response if defined $was_sent && $class->_is_refused($was_sent, $user, $password, $request, $ua, $handler);
        $ua->credentials($url->host_port, $realm, $user, $password);
    }
    _widen($handler, $url) if !$is_proxy;
    return $ua->request($request->clone, $arg, $size, $response);
}

# What was good for one page is for those beside it and below.
sub _widen {
    my ($handler, $url) = @_;
    my $folder = $url->can('path') ? $url->path : '/';
    $folder =~ s{[^/]*\z}{};
    $folder = '/' if !length $folder;
    my $prefixes = $handler->{m_path_prefix} ||= [];
    return if grep { index($folder, $_) == 0 } @$prefixes;
    @$prefixes = ((grep { index($_, $folder) != 0 } @$prefixes), $folder);
    return;
}

sub _renew {
    my ($class, $ua, $handler, $parameters) = @_;
    $handler->{auth_param} = $parameters;
    return;
}

sub _is_refused {
    my ($class, $was_sent, $user, $password, $request, $ua, $handler) = @_;
    return $was_sent eq $class->auth_header($user, $password, $request, $ua, $handler);
}

sub _proxy_uri {
    my ($request) = @_;
    return defined $request->{proxy} ? URI->new($request->{proxy}) : undef;
}

sub auth_header {
    my ($class, $user, $password, $request, $ua, $handler) = @_;
    my $parameters = ($handler || {})->{auth_param};
    require MIME::Base64;
    my $pair = "$user:$password";
    # Bytes, however Perl keeps them, unless the server asks for UTF-8 (RFC 7617, 2.1). Wide characters die, as ever.
    utf8::encode($pair) if uc(($parameters || {})->{charset} || '') eq 'UTF-8';
    return 'Basic ' . MIME::Base64::encode_base64($pair, '');
}

1;
