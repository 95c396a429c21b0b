package LWP::Protocol::Collector;

# Where an answer's body goes: the response, a file, the script's callback; past the handlers, and up to max_size.

use strict;
use warnings;

use Scalar::Util ();

our $VERSION = '6.68';

# Of an HTML page so much is looked at for its head.
use constant HEAD => 65_536;

sub new {
    my ($class, $ua, $arg, $size) = @_;
    return bless { ua => $ua, arg => $arg, size => $size, done => 0, seen => '' }, $class;
}

sub wants_pieces {
    my ($self) = @_;
    my $handlers = $self->{ua}{handlers} || {};
    my $watches = $self->{ua}->show_progress || $self->{ua}->can('progress') != \&LWP::UserAgent::progress;
    return defined $self->{arg} || $watches || $handlers->{response_header} || $handlers->{response_data}
        || defined $self->{ua}->max_size ? 1 : 0;
}

sub head {
    my ($self, $response) = @_;
    my $ua = $self->{ua};
    # A handler that dies wants no body of it; the head is worth having.
    my $wanted = eval { $ua->run_handlers('response_header', $response); 1 };
    if (!$wanted) {
        my $error = $@;
        chomp $error;
        return $self->broken($response, $error);
    }
    $self->{parse} = $ua->parse_head && $response->content_is_html;
    my $arg = $self->{arg};
    # What is no success is for the response, wherever the script wants the rest.
    return if !defined $arg || !$response->is_success || ref $arg eq 'CODE';
    $self->{file} = _handle($arg);
    return $self->broken($response, "Can't write to '$arg': $!") if !$self->{file};
    $self->{is_theirs}  = defined Scalar::Util::openhandle($arg);
    $self->{is_another} = $self->{is_theirs} && $self->{file} ne $arg;
    return;
}

sub _flush {
    my ($handle) = @_;
    my $selected = select $handle;
    my $was = $|;
    $| = 1;
    $| = $was;
    select $selected;
    return;
}

# Where to write: a file of that name, or the script's own handle.
sub _handle {
    my ($arg) = @_;
    my $is_theirs = defined Scalar::Util::openhandle($arg);
    # One in memory, or tied, has no other to it.
    my $number = $is_theirs && !tied *$arg ? fileno $arg : undef;
    return $arg if $is_theirs && (!defined $number || $number < 0);
    # Another for the same file has no layers that make something else of bytes; what the script has printed comes first.
    _flush($arg) if $is_theirs;
    open my $handle, $is_theirs ? '>&=' : '>', $arg or return;
    binmode $handle;
    return $handle;
}

# False if no more is wanted.
sub data {
    my ($self, $response, $bytes) = @_;
    return 0 if $self->{is_broken};
    my $size = $self->{size};
    return $self->_piece($response, $bytes) if !$size || length $bytes <= $size;
    for (my $at = 0; $at < length $bytes; $at += $size) {
        $self->_piece($response, substr $bytes, $at, $size) or return 0;
    }
    return 1;
}

sub _piece {
    my ($self, $response, $bytes) = @_;
    my $ua = $self->{ua};
    $self->{seen} .= substr $bytes, 0, HEAD - length $self->{seen} if $self->{parse} && length $self->{seen} < HEAD;
    my $went_on = eval {
        $self->_give($response, $bytes);
        1;
    };
    if (!$went_on) {
        my $error = $@;
        chomp $error;
        $self->broken($response, $error);
        return 0;
    }
    $self->{done} += length $bytes;
    $self->_tell($response);
    if (defined $ua->max_size && $self->{done} > $ua->max_size) {
        $response->push_header('Client-Aborted', 'max_size');
        return 0;
    }
    return 1;
}

sub _give {
    my ($self, $response, $bytes) = @_;
    my ($ua, $arg) = @{$self}{qw(ua arg)};
    if ($self->{file}) {
        # What a script sets for its own printing (perl -l) is not for files that are fetched.
        local ($\, $,);
        print { $self->{file} } $bytes or die "Can't write to '$arg': $!\n";
    }
    elsif (ref $arg eq 'CODE' && $response->is_success) {
        $arg->($bytes, $response, $self);
    }
    else {
        $response->add_content(\$bytes);
    }
    if ($ua->{handlers} && $ua->{handlers}{response_data}) {
        my @handlers = $ua->handlers('response_data', $response);
        for my $handler (@handlers) {
            # One that returns false wants no more of this response.
            next if $self->{tired}{$handler};
            $handler->{callback}->($response, $ua, $handler, $bytes) or $self->{tired}{$handler} = 1;
        }
    }
    return;
}

sub _tell {
    my ($self, $response) = @_;
    my $ua = $self->{ua};
    $ua->{progress_done} = $self->{done};
    # A server may send several.
    my ($length) = $response->header('Content-Length');
    $ua->progress($length && $length =~ /\A[0-9]+\z/ ? $self->{done} / $length : 'tick', $response);
    return;
}

# A body that came at once, and that nobody else wants.
sub whole {
    my ($self, $response, $bytes) = @_;
    $self->{seen} = substr $bytes, 0, HEAD if $self->{parse};
    $response->content($bytes);
    return;
}

# The body is not whole: why.
sub broken {
    my ($self, $response, $why) = @_;
    return if $self->{is_broken}++;
    $response->push_header('X-Died', $why);
    $response->push_header('Client-Aborted', 'die');
    return;
}

sub finish {
    my ($self, $response) = @_;
    if ($self->{is_theirs}) {
        # Another for the same file closes nothing of theirs.
        my $went = $self->{is_another} ? close $self->{file} : 1;
        $self->broken($response, "Can't write to '$self->{arg}': $!") if !$went;
        delete $self->{file};
    }
    elsif ($self->{file}) {
        close $self->{file} or die "Can't write to '$self->{arg}': $!\n";
    }
    if ($self->{parse} && length $self->{seen}) {
        require LWP::Protocol::HeadParser;
        LWP::Protocol::HeadParser::parse($self->{seen}, $response);
    }
    return $response;
}

1;
