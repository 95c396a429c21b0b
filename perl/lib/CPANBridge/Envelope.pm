package CPANBridge::Envelope;

use strict;
use warnings;

use CPANBridge::Error ();
use CPANBridge::MessagePack ();
use CPANBridge::Wire ();

our $VERSION = '0.100';

# Bytes of everything behind the msgid: method, parameters, options. $image: the parameters' image, if they are sent as one.
sub encode {
    my ($method, $params, $options, $timeout, $is_long, $image) = @_;
    my $name = $CPANBridge::Wire::NAME{$method} || CPANBridge::Wire::name($method) || CPANBridge::MessagePack->pack("$method");
    my $bytes = defined $image ? $image : !defined $params ? CPANBridge::Wire::EMPTY_MAP : ref $params eq 'HASH' ? CPANBridge::Wire::pack_flat($params) : undef;
    $bytes = eval { CPANBridge::MessagePack->pack($params) } if !defined $bytes;
    return unfit($method, CPANBridge::MessagePack::complaint()) if !defined $bytes;
    my $usual = CPANBridge::Wire::options($timeout);
    return (undef, $name . $bytes . $usual) if !$is_long && !$options->{progress};
    my @more = (($options->{progress} ? "\xa8progress\xc3" : ()), $is_long ? CPANBridge::Frozen::options() : ());
    return (undef, join '', $name, $bytes, chr(0x81 + @more), substr($usual, 1), @more);
}

# The frame of a request.
sub frame {
    my ($msgid, $body) = @_;
    return pack('NA3N', CPANBridge::Wire::REQUEST_HEAD + length $body, CPANBridge::Wire::REQUEST, $msgid) . $body;
}

# (error) or (undef, result) of an answer's bytes, which may take so much memory; the call had so many seconds.
sub result_of {
    my ($answer, $method, $memory, $limit) = @_;
    my $message = eval { my ($value, $end) = CPANBridge::MessagePack->unpack_at($answer, 0, int $memory / 2); $end == length $answer ? $value : undef };
    my $why = CPANBridge::MessagePack::complaint();
    return error('too_large', $method, too_large($memory)) if is_too_large($why);
    return error('protocol', $method, 'the program sent what is no answer') if !is_answer($message);
    my (undef, undef, $failure, $value) = @$message;
    return defined $failure ? broker_error($failure, $method, $limit) : (undef, $value);
}

# Whether a message that was read is an answer, and can be looked at as one.
sub is_answer {
    my ($message) = @_;
    return ref $message eq 'ARRAY' && @$message >= 4 && _is_number($message->[0]) && $message->[0] == 1 && _is_number($message->[1]);
}

sub _is_number { return defined $_[0] && !ref $_[0] && $_[0] =~ /\A[0-9]{1,10}\z/ }

# How far a call has come, for its callback; nothing if that is not what was sent.
sub progress {
    my ($fact) = @_;
    return if ref $fact ne 'HASH' || !_is_number($fact->{msgid}) || !_is_amount($fact->{done});
    my ($total, $unit) = @{$fact}{qw(total unit)};
    return if defined $total && !_is_amount($total);
    return ($fact->{msgid}, $fact->{done}, $total, defined $unit && !ref $unit ? _line($unit, 40) : undef);
}

sub _is_amount { return defined $_[0] && !ref $_[0] && $_[0] =~ /\A-?[0-9]+(?:\.[0-9]+)?(?:e[-+]?[0-9]+)?\z/i }

# The codec says so of a value for which there is no room.
sub is_too_large { return $_[0] eq 'not MessagePack: ' . CPANBridge::MessagePack::TOO_LARGE }

# What to tell and to do then.
sub too_large {
    my ($memory) = @_;
    return "the answer takes more memory than it may (answer_memory is $memory bytes): ask for less at a time, or raise it"
        . ' (answer_memory => BYTES, or CPAN_BRIDGE_ANSWER_MEMORY)';
}

sub error {
    my ($code, $method, $message) = @_;
    return CPANBridge::Error->new(code => $code, method => $method, message => $message);
}

sub unfit {
    my ($method, $why) = @_;
    return error('invalid_params', $method, "the parameters can't be sent: $why");
}

# The words that the protocol has for what went wrong. What a broker says beside them is nothing to go by.
my %CODE = map { $_ => 1 } qw(protocol unknown_module unknown_function invalid_params not_found denied too_large overloaded timeout
    cancelled unavailable failed internal);
# A message is a line for a person.
sub LONGEST_MESSAGE () { 2000 }

# What a broker says of an error may have any form. (code, message, data), each of which is what it should be.
sub told {
    my ($error) = @_;
    return ('failed', _line($error, LONGEST_MESSAGE)) if !ref $error && defined $error && length $error;
    return ('protocol', 'the broker answered with an error that is none') if ref $error ne 'HASH';
    my ($code, $message, $data) = @{$error}{qw(code message data)};
    $code    = 'protocol'                     if !defined $code || ref $code || !$CODE{$code};
    $message = defined $message && !ref $message ? _line($message, LONGEST_MESSAGE) : '';
    $message = 'the broker gave no reason'   if !length $message;
    return ($code, $message, ref $data eq 'HASH' ? $data : undef, _detail($error->{detail}));
}

# Plain numbers and texts under short names, and nothing else: whoever looks at one need not ask what it is.
sub _detail {
    my ($detail) = @_;
    return undef if ref $detail ne 'HASH';    ## no critic (ProhibitExplicitReturnUndef): it is a value in a list
    my @names = grep { defined $detail->{$_} && !ref $detail->{$_} && /\A[A-Za-z0-9_]{1,40}\z/ } sort keys %$detail;
    return @names ? { map { $_ => _fact($detail->{$_}) } @names[0 .. ($#names < 15 ? $#names : 15)] } : undef;
}

# Numbers as they are, and texts on a line of their own.
sub _fact {
    my ($value) = @_;
    return $value =~ /\A-?[0-9.]+(?:e[-+]?[0-9]+)?\z/i ? $value : _line($value, LONGEST_MESSAGE);
}

# A text of others on one line, and no longer than that: it may go to a terminal or a log.
sub _line {
    my ($text, $longest) = @_;
    $text = substr "$text", 0, $longest;
    # Neither controls, nor what turns a line's direction, nor what Perl warns of when it is printed.
    $text =~ s/[^\x20-\x7e\xa0-\x{2027}\x{202f}-\x{2065}\x{206a}-\x{d7ff}\x{e000}-\x{fdcf}\x{fdf0}-\x{fffd}\x{10000}-\x{1fffd}]+/ /g;
    return $text;
}

# Whichever of the two finds it out first, the broker or the client, a script is told in its own words.
sub too_late {
    my ($method, $limit) = @_;
    return error('timeout', $method, sprintf 'no answer within %g seconds, its time limit', $limit);
}

sub broker_error {
    my ($error, $method, $limit) = @_;
    my ($code, $message, $data, $detail) = told($error);
    return too_late($method, $limit) if $code eq 'timeout' && defined $limit;
    # A name that the broker does not know may be one that came after it.
    if ($code =~ /\Aunknown_/ && $message =~ /\(cpan-bridge (\d{1,5})\.(\d{1,5})\.(\d{1,5})\)/) {
        my $version = sprintf '%d.%d%02d', $1, $2, $3;
        $message .= " (this client is of version $VERSION; `cpan-bridge reload` puts the installed broker in place)"
            if $version ne $VERSION;
    }
    return CPANBridge::Error->new(method => $method, code => $code, message => $message, data => $data, detail => $detail);
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

=head2 frame

    my $bytes = CPANBridge::Envelope::frame($msgid, $body);

The frame of a request.

=head2 result_of

    my ($error, $result) = CPANBridge::Envelope::result_of($answer, $method, $memory, $seconds);

What an answer's bytes say; it may take so many bytes of memory. The seconds are the call's time limit, for the error that names it.

=head2 is_answer

Whether a message has an answer's form. What is in it may still be anything.

=head2 progress

    my ($msgid, $done, $total, $unit) = CPANBridge::Envelope::progress($fact);

What a notification of progress says; nothing if it does not say that.

=head2 told

    my ($code, $message, $data) = CPANBridge::Envelope::told($error);

What a broker says of an error, whatever form it gave that: one of the protocol's codes, one line, a hash or undef.

=head2 too_large

=head2 is_too_large

What is said of an answer for which there is no memory; whether that is what the codec said.

=head2 error

=head2 unfit

=head2 too_late

=head2 broker_error

A L<CPANBridge::Error> with a code; for parameters that can't be sent; for a call whose time limit passed; of what the broker answered.

=cut
