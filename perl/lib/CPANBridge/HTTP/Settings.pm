package CPANBridge::HTTP::Settings;

use strict;
use warnings;

use Carp ();
use CPANBridge::Connection ();
use CPANBridge::Handle ();
use CPANBridge::Shared ();

our $VERSION = '0.100';

# Sessions of this process by their settings: objects that are set alike share one, and its connections.
my %SESSION;
my $OWNER = 0;

sub new {
    my ($class, %settings) = @_;
    my %session = (
        cookies      => 0,
        decode       => 0,
        # Who uses this follows them itself.
        max_redirect => 0,
        verify_ssl   => !defined $settings{verify} || $settings{verify} ? 1 : 0,
        proxy        => defined $settings{proxy} ? "$settings{proxy}" : '',
    );
    # Read here: the broker may be another user's, and stands in another directory.
    $session{ca}          = _file($settings{ca_file})   if defined $settings{ca_file};
    $session{ca}          = _directory($settings{ca_path}) if defined $settings{ca_path} && !defined $session{ca};
    $session{client_cert} = _file($settings{cert_file}) if defined $settings{cert_file};
    $session{client_key}  = _file(defined $settings{key_file} ? $settings{key_file} : $settings{cert_file})
        if defined $settings{cert_file};
    return bless { session => \%session, key => join "\0", map { "$_=$session{$_}" } sort keys %session }, $class;
}

sub _file {
    my ($path) = @_;
    local ($/, $!);
    open my $file, '<', $path or Carp::croak("Can't read $path: $!");
    binmode $file;
    my $text = readline $file;
    return defined $text ? $text : '';
}

sub _directory {
    my ($path) = @_;
    opendir my $directory, $path or Carp::croak("Can't read $path: $!");
    my @files = grep { -f } map { "$path/$_" } sort readdir $directory;
    return join '', grep { /-----BEGIN / } map { _file($_) } @files;
}

# The session's id. Each process, and each thread, has its own: calls in one session wait for each other.
sub session {
    my ($self) = @_;
    my $process = CPANBridge::Connection::process();
    if ($OWNER != $process) {
        # After a fork: the parent's sessions.
        %SESSION = ();
        $OWNER = $process;
    }
    my $session = $SESSION{ $self->{key} } ||= CPANBridge::Handle->make(CPANBridge::Shared::bridge(), 'http_helper.session_new',
        $self->{session}, id => 'session_id', free => 'http_helper.session_free');
    return $session->id;
}

sub forget {
    my ($self) = @_;
    delete $SESSION{ $self->{key} };
    return;
}

1;

__END__

=encoding utf8

=head1 NAME

CPANBridge::HTTP::Settings - how servers are reached, and the broker's session for it (used by CPANBridge::HTTP::Exchange)

=head1 METHODS

=head2 new

    my $settings = CPANBridge::HTTP::Settings->new(verify => 1, ca_file => $path, cert_file => $path, key_file => $path,
        ca_path => $directory, proxy => 'http://proxy:3128');

All are optional. Certificates are checked unless C<verify> is false. Without C<proxy> there is none. Files are read at once;
croaks for one that can't be read.

=head2 session

    my $id = $settings->session;

The session's id; it is made when it is first needed.

=head2 forget

Has another session made the next time.

=cut
