package LWP::Authen::Basic;

# Basic authentication (RFC 7617) for LWP::UserAgent.

use strict;
use warnings;

our $VERSION = '6.68';

sub authenticate {
    my ($class, $ua, $is_proxy, $parameters, $response, $request, $arg, $size) = @_;
    my $realm = $parameters->{realm};
    my $url = $is_proxy ? _proxy_uri($request) : $request->uri_canonical;
    return $response if !$url;
    my ($user, $password) = $ua->get_basic_credentials($realm, $url, $is_proxy);
    return $response if !defined $user || !defined $password;
    my $field = $is_proxy ? 'Proxy-Authorization' : 'Authorization';
    my $value = $class->auth_header($user, $password, $request, $ua, $parameters);
    # Once more with the same is of no use.
    return $response if ($request->header($field) || '') eq $value;
    for (my $earlier = $response->previous; $earlier; $earlier = $earlier->previous) {
        my $sent = $earlier->request && $earlier->request->header($field);
        return $response if defined $sent && $sent eq $value;
    }
    my $again = $request->clone;
    $again->header($field => $value);
    my $answer = $ua->request($again, $arg, $size, $response);
    $class->_remember($ua, $is_proxy, $url, $field, [$user, $password, $parameters]) if $answer->code != $response->code;
    return $answer;
}

# What was good for one page is sent along to those beside it and below, before anybody asks (RFC 7617, 2.2).
sub _remember {
    my ($class, $ua, $is_proxy, $url, $field, $credentials) = @_;
    my ($user, $password, $parameters) = @$credentials;
    my $folder = $url->can('path') ? $url->path : '/';
    $folder =~ s{[^/]*\z}{};
    my %where = (owner => __PACKAGE__, m_host_port => $url->host_port, $is_proxy ? () : (m_path_prefix => $folder || '/'));
    %where = (owner => __PACKAGE__, m_proxy => "$url") if $is_proxy;
    $ua->remove_handler('request_prepare', %where);
    $ua->add_handler(request_prepare => sub {
        my ($request) = @_;
        $request->header($field => $class->auth_header($user, $password, $request, $ua, $parameters)) if !defined $request->header($field);
        return;
    }, %where);
    return;
}

sub _proxy_uri {
    my ($request) = @_;
    return defined $request->{proxy} ? URI->new($request->{proxy}) : undef;
}

sub auth_header {
    my ($class, $user, $password, $request, $ua, $parameters) = @_;
    require MIME::Base64;
    my $pair = "$user:$password";
    # Bytes, however Perl keeps them, unless the server asks for UTF-8 (RFC 7617, 2.1). Wide characters die, as ever.
    utf8::encode($pair) if uc(($parameters || {})->{charset} || '') eq 'UTF-8';
    return 'Basic ' . MIME::Base64::encode_base64($pair, '');
}

1;
