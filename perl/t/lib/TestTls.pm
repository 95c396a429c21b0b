package TestTls;

# Certificates and TLS servers of a test's own, by the command openssl; none where it is not installed.

use strict;
use warnings;

use File::Temp ();
use IO::Socket::INET ();
use POSIX ();
use TestBroker ();

sub find {
    my ($openssl) = grep { -x } map { "$_/openssl" } split /:/, $ENV{PATH} || '';
    return $openssl;
}

sub new {
    my ($class) = @_;
    my $openssl = find() or return;
    return bless { openssl => $openssl, directory => File::Temp::tempdir(CLEANUP => 1), owner => $$, pids => [] }, $class;
}

sub path { my ($self, $name) = @_; return "$self->{directory}/$name" }

sub openssl {
    my ($self, @arguments) = @_;
    my $pid = fork;
    die "fork: $!" if !defined $pid;
    if (!$pid) {
        open STDOUT, '>', '/dev/null' or POSIX::_exit(2);
        open STDERR, '>', $self->path('stderr') or POSIX::_exit(2);
        chdir $self->{directory} or POSIX::_exit(2);
        exec $self->{openssl}, @arguments or POSIX::_exit(2);
    }
    waitpid $pid, 0;
    return $? == 0;
}

my @KEY = ('-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes');

# A certificate that vouches for itself, as many an operator makes it. Gives the file's path.
sub self_signed {
    my ($self, $name, $subject, @more) = @_;
    $self->openssl('req', '-x509', @KEY, '-keyout', "$name.key", '-out', "$name.pem", '-days', '30', '-subj', $subject, @more) or die "no $name";
    return $self->path("$name.pem");
}

# One that an authority issued: of version 1 without extensions.
sub issued {
    my ($self, $name, $authority, $subject, $extensions) = @_;
    $self->openssl('req', @KEY, '-keyout', "$name.key", '-out', "$name.csr", '-subj', $subject) or die "no $name";
    my @extensions;
    if (defined $extensions) {
        open my $file, '>', $self->path('extensions') or die $!;
        print {$file} $extensions;
        close $file;
        @extensions = ('-extfile', 'extensions');
    }
    $self->openssl('x509', '-req', '-in', "$name.csr", '-CA', "$authority.pem", '-CAkey', "$authority.key", '-CAcreateserial', '-out', "$name.pem",
        '-days', '30', @extensions) or die "no $name";
    return $self->path("$name.pem");
}

sub fingerprint {
    my ($self, $name, $of_key) = @_;
    require Digest::SHA;
    require MIME::Base64;
    open my $file, '<', $self->path("$name.pem") or die $!;
    my $pem = do { local $/; readline $file };
    my ($base64) = $pem =~ /-----BEGIN CERTIFICATE-----(.*?)-----END/s;
    return 'sha256$' . Digest::SHA::sha256_hex(MIME::Base64::decode_base64($base64));
}

# A web server with that certificate; gives its port.
sub serve {
    my ($self, $name, @more) = @_;
    for my $try (1 .. 5) {
        my $hold = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1', LocalPort => 0, ReuseAddr => 1) or die "no port: $!";
        my $port = $hold->sockport;
        close $hold;
        my $pid = fork;
        die "fork: $!" if !defined $pid;
        if (!$pid) {
            open STDIN,  '<', '/dev/null' or POSIX::_exit(2);
            open STDOUT, '>', '/dev/null' or POSIX::_exit(2);
            open STDERR, '>', $self->path('stderr') or POSIX::_exit(2);
            chdir $self->{directory} or POSIX::_exit(2);
            exec $self->{openssl}, 's_server', '-accept', "127.0.0.1:$port", '-cert', "$name.pem", '-key', "$name.key", '-www', '-quiet', @more
                or POSIX::_exit(2);
        }
        my $gone = 0;
        my $up = TestBroker::eventually(sub {
            return $gone = 1 if waitpid($pid, POSIX::WNOHANG()) == $pid;
            return IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port);
        });
        next if $gone || !$up;
        push @{ $self->{pids} }, $pid;
        return $port;
    }
    die 'openssl s_server did not start';
}

sub DESTROY {
    my ($self) = @_;
    return if $self->{owner} != $$;
    local ($?, $!, $@);
    for my $pid (@{ $self->{pids} }) {
        kill 'KILL', $pid;
        waitpid $pid, 0;
    }
    return;
}

1;
