package CPANBridge::HTTP::Settings;

use strict;
use warnings;

use CPANBridge::Lane ();
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
        proxy        => defined $settings{proxy} ? "$settings{proxy}" : '',
        %{ $settings{tls} || {} },
    );
    my $key = join "\0", map { my $value = $session{$_}; "$_=" . (ref $value ? join ',', @$value : $value) } sort keys %session;
    # As texts: telling a number from a text takes a module whose loading takes as long as a request.
    for my $value (values %session) { $value = "$value" if defined $value && !ref $value }
    return bless { session => \%session, key => $key }, $class;
}

# The session's id. Each process, and each thread, has its own: calls in one session wait for each other.
sub session {
    my ($self) = @_;
    my $process = $$ + $CPANBridge::Lane::THREAD;
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

    my $settings = CPANBridge::HTTP::Settings->new(tls => \%tls, proxy => 'http://proxy:3128');

All are optional. C<tls>: what L<CPANBridge::TLS> makes of a script's options; without it certificates are checked, against the
system's authorities. Without C<proxy> there is none.

=head2 session

    my $id = $settings->session;

The session's id; it is made when it is first needed.

=head2 forget

Has another session made the next time.

=cut
