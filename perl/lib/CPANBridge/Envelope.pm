package CPANBridge::Envelope;

use strict;
use warnings;

use Carp ();
use CPANBridge::Error ();
use CPANBridge::MessagePack ();

our $VERSION = '0.100';

# Below this, numbers of calls take another form on the wire; with one form for all, the answer to a call is recognised
# by comparing eight bytes.
use constant FIRST_MSGID    => 128;
use constant LARGEST_UINT32 => 4_294_967_295;

# What is the same from call to call, as bytes: scripts call a handful of methods with one time limit.
our %METHOD;
my ($LIMIT, $OPTIONS) = (-1, '');

# Bytes of everything behind the msgid: method, parameters, options.
sub encode {
    my ($method, $params, $options, $timeout) = @_;
    my $name = defined $method ? $METHOD{$method} || _method($method) : _method($method);
    my $bytes = !defined $params || ref $params eq 'HASH' && !%$params ? "\x80" : eval { CPANBridge::MessagePack->pack($params) };
    return unfit($method, complaint()) if !defined $bytes;
    my $usual = $timeout == $LIMIT ? $OPTIONS : options($timeout);
    return (undef, $name . $bytes . ($options->{progress} ? "\x82" . substr($usual, 1) . "\xa8progress\xc3" : $usual));
}

sub _method {
    my ($method) = @_;
    Carp::croak('a method is named module.function') if !defined $method || !length $method;
    my $name = CPANBridge::MessagePack->pack("$method");
    # Whoever makes up names must not fill the memory.
    $METHOD{$method} = $name if keys %METHOD < 1000;
    return $name;
}

# The options of a call that has none but its time limit.
sub options {
    my ($timeout) = @_;
    my $milliseconds = int($timeout * 1000 + 0.5);
    my $limit = $milliseconds < 1 ? 1 : $milliseconds > LARGEST_UINT32 ? LARGEST_UINT32 : $milliseconds;
    $LIMIT = $timeout;
    return $OPTIONS = "\x81\xaatimeout_ms\xce" . pack 'N', $limit;
}

# The frame of a request.
sub frame {
    my ($msgid, $body) = @_;
    return pack('NA3N', 7 + length $body, "\x95\x00\xce", $msgid) . $body;
}

# (error) or (undef, result) of an answer's bytes.
sub result_of {
    my ($answer, $method) = @_;
    my $message = eval { CPANBridge::MessagePack->unpack($answer) };
    complaint();
    return error('protocol', $method, 'the program sent what is no answer') if ref $message ne 'ARRAY' || @$message < 3;
    my (undef, undef, $failure, $value) = @$message;
    return defined $failure ? broker_error($failure, $method) : (undef, $value);
}

sub error {
    my ($code, $method, $message) = @_;
    return CPANBridge::Error->new(code => $code, method => $method, message => $message);
}

sub unfit {
    my ($method, $why) = @_;
    return error('invalid_params', $method, "the parameters can't be sent: $why");
}

sub broker_error {
    my ($error, $method) = @_;
    return error('failed', $method, "$error") if ref $error ne 'HASH';
    my %told = map { $_ => $error->{$_} } qw(code message data);
    # A name that the broker does not know may be one that came after it.
    if (($told{code} || "") =~ /\Aunknown_/ && ($told{message} || "") =~ /\(cpan-bridge (\d+)\.(\d+)\.(\d+)\)/) {
        my $version = sprintf '%d.%d%02d', $1, $2, $3;
        $told{message} .= " (this client is of version $VERSION; `cpan-bridge reload` puts the installed broker in place)"
            if $version ne $VERSION;
    }
    return CPANBridge::Error->new(method => $method, %told);
}

# What the codec has to say after an eval. Anything else was not meant for us: a signal's handler died, and whoever set it
# is waiting for that further up.
sub complaint {
    my $why = $@;
    return '' if !ref $why && $why eq '';
    die $why if ref $why || $why !~ /\A(?:not MessagePack|no MessagePack form): /;
    chomp $why;
    return $why;
}

1;

__END__

=encoding utf8

=head1 NAME

CPANBridge::Envelope - the bytes of requests and answers, and errors that are made of them (used by CPANBridge)

=head1 DESCRIPTION

What stands around parameters and results on the wire. Errors are returned, not thrown: a list of the error alone, or of undef and the
result.

=head1 FUNCTIONS

=head2 encode

    my ($error, $body) = CPANBridge::Envelope::encode($method, \%parameters, \%options, $seconds);

Everything of a request that comes after its number.

=head2 options

The last part of that for a call without options of its own, but with a time limit.

=head2 frame

    my $bytes = CPANBridge::Envelope::frame($msgid, $body);

The frame of a request.

=head2 result_of

    my ($error, $result) = CPANBridge::Envelope::result_of($answer, $method);

What an answer's bytes say.

=head2 error

=head2 unfit

=head2 broker_error

A L<CPANBridge::Error> with a code; for parameters that can't be sent; of what the broker answered.

=head2 complaint

What the codec said, after an C<eval>; what others died of is passed on.

=cut
