package CPANBridge::HTTP::Answer;

use strict;
use warnings;

use CPANBridge ();
use CPANBridge::Envelope ();

our $VERSION = '0.100';
our @ISA = ('CPANBridge');

# What the functions for HTTP answer, looked at before anybody uses it: a broker that answers something else gives an error like every
# other, not one of Perl's in the middle of who asked.

# What has to be there, and what may be.
my %FORM = (
    body_new  => { body_id => \&_is_text },
    request   => { status_code => \&_is_status, reason => \&_is_text, headers => \&_is_list },
    body_send => { status_code => \&_is_status, reason => \&_is_text, headers => \&_is_list },
    read      => {},
);
my @TEXTS = qw(stream_id aborted error url);

sub check {
    my ($method, $answer) = @_;
    my ($function) = $method =~ /\Ahttp(?:_helper)?\.(\w+)\z/;
    my $form = defined $function ? $FORM{$function} : undef;
    return $answer if !$form;
    _complain($method, 'is no map') if ref $answer ne 'HASH';
    for my $name (sort keys %$form) {
        _complain($method, "has no good $name") if !$form->{$name}->($answer->{$name});
    }
    for my $name (grep { exists $answer->{$_} } @TEXTS) {
        _complain($method, "has no good $name") if defined $answer->{$name} && !_is_text($answer->{$name});
    }
    return $answer if $function eq 'body_new';
    my %checked = (%$answer, content => defined $answer->{content} ? $answer->{content} : '');
    _complain($method, 'has no good content') if ref $checked{content} || !utf8::downgrade($checked{content}, 1);
    return \%checked;
}

sub _is_text   { return defined $_[0] && !ref $_[0] }
sub _is_status { return _is_text($_[0]) && $_[0] =~ /\A[1-9][0-9]{2}\z/ }
sub _is_list   { return ref $_[0] eq 'ARRAY' && @{ $_[0] } % 2 == 0 && !grep { !_is_text($_) } @{ $_[0] } }

sub _complain {
    my ($method, $why) = @_;
    die CPANBridge::Envelope::error('protocol', $method, "the broker's answer $why");
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
