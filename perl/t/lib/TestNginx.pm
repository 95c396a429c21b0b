package TestNginx;

# An nginx of a test's own, with TLS; none where it is not installed.

use strict;
use warnings;

use File::Temp ();
use IO::Socket::INET ();
use POSIX ();
use TestBroker ();

sub find {
    my ($nginx) = grep { -x } map { "$_/nginx" } split(/:/, $ENV{PATH} || ''), '/usr/sbin', '/usr/local/sbin';
    return $nginx;
}

sub _free_port {
    my $socket = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1', LocalPort => 0) or die "no port: $!";
    return ($socket->sockport, $socket);
}

# undef if there is none.
sub start {
    my ($class) = @_;
    my $nginx = find() or return undef;    ## no critic (ProhibitExplicitReturnUndef)
    # A port that was free may be taken when nginx wants it.
    for my $try (1 .. 5) {
        my $self = $class->_try($nginx);
        return $self if $self;
    }
    die 'nginx did not start';
}

sub _try {
    my ($class, $nginx) = @_;
    my $directory = File::Temp::tempdir(CLEANUP => 1);
    chmod 0755, $directory;
    my ($http, $hold1) = _free_port();
    my ($https, $hold2) = _free_port();
    my ($asking, $hold3) = _free_port();
    close $_ for $hold1, $hold2, $hold3;
    my $tls = TestBroker::top() . '/tests/data/tls';
    mkdir "$directory/$_" or die for qw(www temp);
    open my $config, '>', "$directory/nginx.conf" or die $!;
    my $user = $> == 0 ? 'user root;' : '';
    print {$config} <<"CONFIG";
$user
daemon off;
master_process off;
worker_processes 1;
pid $directory/pid;
error_log $directory/error.log;
events { worker_connections 256; }
http {
    access_log off;
    default_type application/octet-stream;
    types { text/plain txt; text/html html; }
    client_body_temp_path $directory/temp/body;
    proxy_temp_path $directory/temp/proxy;
    fastcgi_temp_path $directory/temp/fastcgi;
    uwsgi_temp_path $directory/temp/uwsgi;
    scgi_temp_path $directory/temp/scgi;
    client_max_body_size 200m;
    gzip on;
    gzip_types text/plain;
    gzip_min_length 100;
    keepalive_requests 100000;
    ssl_certificate $tls/server.pem;
    ssl_certificate_key $tls/server.key;
    root $directory/www;
    server {
        listen 127.0.0.1:$http;
        listen 127.0.0.1:$https ssl;
        location = /connection { return 200 "\$connection"; }
        location = /scheme { return 200 "\$scheme \$ssl_protocol"; }
        location = /to-https { return 302 https://127.0.0.1:$https/scheme; }
        location = /to-http { return 302 http://127.0.0.1:$http/agent; }
        location = /agent { return 200 "\$http_user_agent|\$http_authorization"; }
        location = /received { client_body_in_file_only clean; client_body_buffer_size 1k; proxy_pass http://127.0.0.1:$http/discard; }
        location = /discard { return 200 "\$request_method \$content_length"; }
        location / { }
    }
    server {
        listen 127.0.0.1:$asking ssl;
        ssl_client_certificate $tls/ca.pem;
        ssl_verify_client on;
        location / { return 200 "\$ssl_client_s_dn"; }
    }
}
CONFIG
    close $config;
    my $pid = fork;
    die "fork: $!" if !defined $pid;
    if (!$pid) {
        open STDERR, '>', "$directory/stderr";
        exec $nginx, '-c', "$directory/nginx.conf", '-p', $directory or POSIX::_exit(1);
    }
    my $self = bless { pid => $pid, owner => $$, directory => $directory, http => $http, https => $https, asking => $asking, ca => "$tls/ca.pem", tls => $tls }, $class;
    my $gone = 0;
    my $up = TestBroker::eventually(sub {
        return $gone = 1 if waitpid($pid, POSIX::WNOHANG()) == $pid;
        return IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $asking);
    });
    delete $self->{pid} if $gone;
    return $up && !$gone ? $self : undef;
}

sub directory { return $_[0]->{directory} . '/www' }
sub http  { my ($self, $path) = @_; return "http://127.0.0.1:$self->{http}$path" }
sub https { my ($self, $path) = @_; return "https://127.0.0.1:$self->{https}$path" }

sub DESTROY {
    my ($self) = @_;
    return if $self->{owner} != $$ || !$self->{pid};
    local ($?, $!, $@);
    kill 'KILL', $self->{pid};
    waitpid $self->{pid}, 0;
    return;
}

1;
