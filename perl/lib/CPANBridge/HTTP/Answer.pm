package CPANBridge::HTTP::Answer;

use strict;
use warnings;

use CPANBridge ();
use CPANBridge::Error ();

our $VERSION = '0.100';
our @ISA = ('CPANBridge');

# What the functions for HTTP answer, looked at before anybody uses it: a broker that answers something else gives an error like every
# other, not one of Perl's in the middle of who asked.

# What has to be there. This is done for every answer, so it is spelled out where a function for each would read better.
my %FORM;
for my $module (qw(http http_helper)) {
    $FORM{"$module.body_new"} = sub { defined $_[0]{body_id} && !ref $_[0]{body_id} ? '' : 'body_id' };
    $FORM{"$module.request"} = $FORM{"$module.body_send"} = sub {
        my ($status, $reason, $headers) = @{ $_[0] }{qw(status_code reason headers)};
        return !defined $status || ref $status || $status !~ /\A[1-9][0-9]{2}\z/ ? 'status_code'
            : !defined $reason || ref $reason ? 'reason'
            : ref $headers ne 'ARRAY' || @$headers % 2 || grep({ !defined || ref } @$headers) ? 'headers'
            : '';
    };
    $FORM{"$module.read"} = sub { '' };
}

sub check {
    my ($method, $answer) = @_;
    my $form = $FORM{$method} or return $answer;
    _complain($method, 'is no map') if ref $answer ne 'HASH';
    _read_lines($answer);
    my $bad = $form->($answer);
    _complain($method, "has no good $bad") if $bad ne '';
    # What may be.
    if (ref $answer->{stream_id} || ref $answer->{aborted} || ref $answer->{error} || ref $answer->{url}) {
        ($bad) = grep { ref $answer->{$_} } qw(stream_id aborted error url);
        _complain($method, "has no good $bad");
    }
    _complain($method, 'has no good connection') if defined $answer->{connection} && (ref $answer->{connection} ne 'HASH' || grep { !defined || ref } values %{ $answer->{connection} });
    _complain($method, 'has no good trailers')
        if defined $answer->{trailers} && (ref $answer->{trailers} ne 'ARRAY' || @{ $answer->{trailers} } % 2 || grep { !defined || ref } @{ $answer->{trailers} });
    return $answer if $method =~ /body_new\z/;
    $answer->{content} = '' if !defined $answer->{content};
    _complain($method, 'has no good content') if ref $answer->{content} || !utf8::downgrade($answer->{content}, 1);
    return $answer;
}

# Names and values come as lines where they were sent as such.
sub _read_lines {
    my ($answer) = @_;
    for my $lines (grep { defined && !ref } @{$answer}{qw(headers connection)}) {
        $lines = [split /\n/, $lines, -1];
    }
    my $connection = $answer->{connection};
    $answer->{connection} = {@$connection} if ref $connection eq 'ARRAY' && @$connection % 2 == 0;
    return;
}

sub _complain {
    my ($method, $why) = @_;
    die CPANBridge::Error::bad_answer($method, $why);
}

# A client that looks at all of them.
sub wary {
    my ($class, $bridge) = @_;
    return bless $bridge, $class;
}

sub call {
    my ($self, $method, @more) = @_;
    return check($method, $self->SUPER::call($method, @more));
}

sub wait_for {
    my ($self, $ticket) = @_;
    return check($ticket->method, $self->SUPER::wait_for($ticket));
}

1;

__END__

=encoding utf8

=head1 NAME

CPANBridge::HTTP::Answer - what the broker's functions for HTTP answer, looked at before it is used (used by CPANBridge::HTTP::Exchange)

=head1 FUNCTIONS

=head2 check

    my $answer = CPANBridge::HTTP::Answer::check($method, $result);

The answer, with a C<content> that is bytes; dies with a L<CPANBridge::Error> of the code C<protocol> if it is not what that method gives.

=head1 METHODS

=head2 wary

    my $bridge = CPANBridge::HTTP::Answer->wary(CPANBridge->new);

Makes a client one that looks at its answers.

=head2 call

=head2 wait_for

Those of L<CPANBridge>, with that look.

=cut
