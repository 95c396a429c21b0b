package CPANBridge::HTTP::Exchange;

use strict;
use warnings;

use CPANBridge::Ahead ();
use CPANBridge::Bytes ();
use CPANBridge::Error ();
use CPANBridge::HTTP::Answer ();
use CPANBridge::HTTP::Settings ();
use CPANBridge::Lane ();
use CPANBridge::Shared ();

our $VERSION = '0.100';

# A body of up to this many bytes comes in one answer; a longer one in pieces, of which some are on their way at any time.
use constant PIECE => 1 << 20;
# The same as a text, which is packed in a fraction of the time that a number takes.
use constant PIECE_TEXT => '' . PIECE;
use constant AHEAD => 2;
# What a script gets at once that wants less, as the original's reads have it.
use constant LEAST_PIECE => 4096;
# A body to be sent that is longer than this goes in pieces as well.
use constant AT_ONCE => 4 << 20;
# The broker answers a read when there is something, or the end. So many that are neither are no answer of a body's.
use constant EMPTY_PIECES => 100;
# How long a server may do nothing is told to the broker with each request. How long all of it may take, nobody said.
use constant NO_LIMIT => 30 * 86_400;

sub new {
    my ($class, %settings) = @_;
    return bless { settings => CPANBridge::HTTP::Settings->new(%settings) }, $class;
}

# One request and its answer; redirects are not followed. Never dies for what the network does: that is in `error`. What a
# callback dies of is passed on.
sub run {
    my ($self, %order) = @_;
    my $bridge = CPANBridge::Shared::available_bridge();
    my %request = (
        method       => $order{method},
        url          => $order{url},
        timeout      => '' . ($order{timeout} || 180),
        stream       => _first_piece($order{max_size}),
        $order{on_data} ? (eager => 1) : (),
    );
    my $answer = eval {
        my ($form, $headers) = _form_of($order{headers} || {});
        $request{$form} = $headers;
        $self->_ask($bridge, \%request, _bytes_of_body($order{body}), $order{length});
    };
    return _failure($@) if !$answer;
    # What a server says is bytes, also where they happen to be UTF-8.
    utf8::encode($_) for grep { utf8::is_utf8($_) } $answer->{reason}, @{ $answer->{headers} };
    my $reply = {
        status  => $answer->{status_code},
        reason  => $answer->{reason},
        headers => $answer->{headers},
        url     => $answer->{url},
        content => '',
        map { defined $answer->{$_} ? ($_ => $answer->{$_}) : () } qw(aborted connection trailers),
    };
    if (my $error = $answer->{error}) {
        $error =~ s/\AConnection failed: // and return { error => $error, code => 'network' };
    }
    $self->_take($bridge, $reply, $answer, \%order);
    return $reply;
}

# Of a body of which no more than so much is wanted.
sub _first_piece {
    my ($most) = @_;
    return !defined $most || $most !~ /\A[0-9]+\z/ || $most >= PIECE ? PIECE_TEXT : $most < LEAST_PIECE ? LEAST_PIECE : $most;
}

# Equal strings are equal bytes, whatever Perl keeps them as.
sub _bytes {
    my ($text, $what) = @_;
    return $text if !defined $text || ref $text || !utf8::is_utf8($text);
    my $bytes = CPANBridge::Bytes::of($text);
    return defined $bytes ? $bytes : die "Wide character in $what\n";
}

sub _bytes_of_headers {
    my ($headers) = @_;
    # As good as always; what is an object is copied.
    return $headers if ref $headers eq 'HASH' && !grep { ref $_ eq 'ARRAY' ? grep { utf8::is_utf8($_) } @$_ : utf8::is_utf8($_) } %$headers;
    return { map {
        my $value = $headers->{$_};
        my $what = "the value of the header '$_'";
        (_bytes($_, 'the name of a header') => ref $value eq 'ARRAY' ? [map { _bytes($_, $what) } @$value] : _bytes($value, $what));
    } keys %$headers };
}

# The parameter that headers are sent as, and its value. What has no form as lines is the broker's to take, or to refuse in its words.
sub _form_of {
    my ($headers) = @_;
    my $lines = _lines($headers);
    return (lines => $lines) if defined $lines && !utf8::is_utf8($lines);
    $headers = _bytes_of_headers($headers);
    return (headers => $headers) if !defined $lines;
    return (lines => _lines($headers));
}

# A map within the map takes as long to pack as all else. Nothing for what has no such form.
sub _lines {
    my ($headers) = @_;
    my @fields;
    for my $name (keys %$headers) {
        my $value = $headers->{$name};
        for my $one (ref $value eq 'ARRAY' ? @$value : $value) {
            return undef if ref $one;    ## no critic (ProhibitExplicitReturnUndef)
            push @fields, $name, $one if defined $one;
        }
    }
    my $lines = join "\n", @fields;
    return $lines =~ tr/\n// == @fields - 1 || !@fields ? $lines : undef;
}

sub _bytes_of_body {
    my ($body) = @_;
    return _bytes($body, 'request message body');
}

sub _failure {
    my ($error) = @_;
    die $error if !CPANBridge::Error::is_one($error);
    return { error => $error->message, code => $error->code };
}

sub _ask {
    my ($self, $bridge, $request, $body, $length) = @_;
    my $settings = $self->{settings};
    for my $try (1, 2) {
        my $session = $settings->session;
        my $begun = 0;
        my $answer = eval { _send($bridge, $session, $request, \$body, $length, \$begun) };
        return $answer if $answer;
        my $error = $@;
        # A session that nobody used for long has ended; another is as good. Nothing was sent.
        die $error if $try > 1 || $begun || !CPANBridge::Error::is_one($error) || $error->code ne 'not_found';
        $settings->forget;
    }
    return;
}

sub _send {
    my ($bridge, $session, $request, $body, $length, $begun) = @_;
    my @options = (timeout => NO_LIMIT);
    if (!ref $$body && (!defined $$body || length $$body <= AT_ONCE)) {
        my %content = defined $$body ? (content => $$body) : ();
        return _call($bridge, 'http_helper.request', { %$request, %content, session_id => $session }, @options);
    }
    my $id = _call($bridge, 'http_helper.body_new', { session_id => $session })->{body_id};
    # What a code reference gave once it may not give again.
    $$begun = 1;
    my $gathered = eval { _gather($bridge, $id, $body, $length); 1 };
    if (!$gathered) {
        my $error = $@;
        eval { $bridge->call('http_helper.body_free', { body_id => $id }) };
        die $error;
    }
    return _call($bridge, 'http_helper.body_send', { %$request, body_id => $id }, @options);
}

sub _call {
    my ($bridge, $method, @more) = @_;
    return CPANBridge::HTTP::Answer::check($method, $bridge->call($method, @more));
}

sub _gather {
    my ($bridge, $id, $body, $length) = @_;
    my $add = sub { $bridge->call('http_helper.body_add', { body_id => $id, content => $_[0] }) };
    if (ref $$body) {
        my ($gathered, $got) = ('', 0);
        while (defined(my $piece = $$body->())) {
            last if !length $piece;
            $gathered .= _bytes_of_body($piece);
            $got += length $piece;
            $add->(substr $gathered, 0, length $gathered, '') if length $gathered >= PIECE;
        }
        $add->($gathered) if length $gathered;
        # Half a file, say, is not to pass for the whole.
        die "Content-Length mismatch (got: $got expected: $length)\n" if defined $length && $length =~ /\A[0-9]+\z/ && $length != $got;
    }
    else {
        for (my $at = 0; $at < length $$body; $at += PIECE) {
            $add->(substr $$body, $at, PIECE);
        }
    }
    return;
}

sub _take {
    my ($self, $bridge, $reply, $answer, $order) = @_;
    my $id = $answer->{stream_id};
    my $on_data = $order->{on_data};
    my $take = sub {
        $on_data ? $on_data->($_[0], $reply) : ($reply->{content} .= $_[0]);
        my $most = $order->{max_size};
        return !defined $most || length $reply->{content} <= $most;
    };
    my $done = eval {
        $order->{on_head}->($reply) if $order->{on_head};
        my $more = length $answer->{content} ? $take->($answer->{content}) : 1;
        read_on($bridge, $id, $take, $reply) if defined $id && $more;
        1;
    };
    return if $done && !defined $id;
    my $error = $@;
    # What is left of a body that nobody wants; freeing what is gone already is no error.
    eval { $bridge->call('http_helper.close', { stream_id => $id }) } if defined $id && !$reply->{whole};
    delete $reply->{whole};
    die $error if !$done;
    return;
}

# The rest of a body.
sub read_on {
    my ($bridge, $id, $take, $reply, $until) = @_;
    my $ahead = CPANBridge::Ahead->new($bridge, AHEAD);
    my $empty = 0;
    my $why;
    my $going = eval {
        while (1) {
            my $left = defined $until ? $until - CPANBridge::Lane::now() : NO_LIMIT;
            $left = 0.001 if $left < 0.001;
            $ahead->add($ahead->bridge->send_call('http_helper.read', { stream_id => $id, length => PIECE }, timeout => $left)) while $ahead->has_room;
            my $piece = eval { CPANBridge::HTTP::Answer::check('http_helper.read', $ahead->take) };
            if (!$piece) {
                $why = _failure($@);
                last;
            }
            $empty = length $piece->{content} ? 0 : $empty + 1;
            if ($empty > EMPTY_PIECES) {
                $why = { error => 'the broker answers with empty pieces without end', code => 'protocol' };
                last;
            }
            my $more = !length $piece->{content} || $take->($piece->{content});
            $reply->{whole} = 1 if $piece->{done};
            $reply->{trailers} = $piece->{trailers} if $piece->{trailers};
            last if !$more || $piece->{done};
        }
        1;
    };
    my $error = $@;
    # Those that were sent ahead find no stream, or are given up.
    $ahead->give_up;
    # The answer is not whole; what there is of it is given all the same, as others do it.
    $reply->{aborted} = $why->{error} if $why;
    die $error if !$going;
    return;
}

1;

__END__

=encoding utf8

=head1 NAME

CPANBridge::HTTP::Exchange - one request over the broker, and its answer (used by CPANBridge::HTTP and the stand-ins)

=head1 SYNOPSIS

    my $exchange = CPANBridge::HTTP::Exchange->new;
    my $reply = $exchange->run(method => 'GET', url => $url, headers => { Accept => 'text/html' });

=head1 METHODS

=head2 new

Takes the settings of L<CPANBridge::HTTP::Settings>.

=head2 run

    my $reply = $exchange->run(method => $method, url => $url, %more);

C<headers>: a hash of names and values, lists where a name comes more than once. C<body>: bytes, or a code reference that
returns a piece with each call and nothing at the end. C<length>: how long a body from code is to be; another one is not sent. C<timeout>: the seconds that the server may do nothing. C<on_head>: called
with the reply when its head is there. C<on_data>: called with each piece of the body, and the reply; without it the body is
gathered in C<content>, up to about C<max_size> bytes. What the callbacks die of ends the transfer and is passed on.

The reply has C<status>, C<reason>, C<headers> (names and values in turn), C<content>, C<url>, C<connection> (what the broker tells of it),
C<trailers> (names and values in turn, once the body is there) if any came behind the body, and C<aborted> if it was cut off. If there is none, there are C<error> and C<code> instead: C<network>, or a code of the broker's.

Redirects are not followed.

=head1 FUNCTIONS

=head2 read_on

    CPANBridge::HTTP::Exchange::read_on($bridge, $stream_id, $take, \%reply, $until);

Gives C<$take> the rest of a body piece by piece, until it is false or there is no more, or the time is over if one is given. C<< $reply->{whole} >> or
C<< $reply->{aborted} >> says how it ended.

=cut
