package CPANBridge::HTTP::Transfer;

use strict;
use warnings;

use CPANBridge::Bytes ();
use CPANBridge::Lane ();
use CPANBridge::Envelope ();
use CPANBridge::Error ();
use CPANBridge::File ();
use CPANBridge::HTTP::Exchange ();
use CPANBridge::File::Part ();

our $VERSION = '0.100';

# A broker that runs as another user opens no files for us. We open them ourselves, and the body comes and goes in pieces.
my %INSTEAD = ('http_helper.download' => \&download, 'http_helper.upload' => \&upload);
$INSTEAD{"http.$_"} = $INSTEAD{"http_helper.$_"} for qw(download upload);

sub instead_of { return $INSTEAD{ $_[0] } }

# (error) or (undef, result), as http_helper.download would have it.
sub download {
    my ($bridge, $params, $options) = @_;
    my %request = (method => 'GET', stream => CPANBridge::HTTP::Exchange::PIECE(), eager => 1, map { $_ => $params->{$_} }
        grep { exists $params->{$_} } qw(url headers session_id timeout verify_ssl max_redirect private_headers));
    my $path = _path($params);
    my ($result, $out);
    my $until = _until($options);
    my $done = eval {
        my $answer = $bridge->call('http_helper.request', \%request, %$options);
        $result = _friendly($answer);
        my ($length) = map { $result->{headers}{$_} } grep { lc eq 'content-length' } keys %{ $result->{headers} };
        my $bytes = 0;
        my $take = sub {
            $bytes += length $_[0];
            die _error('too_large', "the body is longer than $params->{max_size} bytes") if defined $params->{max_size} && $bytes > $params->{max_size};
            $result->{success} ? $out->write($_[0]) : ($result->{content} .= $_[0]) or die _error('failed', "Failed to write $path: $!");
            $options->{progress}->($bytes, $length, 'bytes') if $options->{progress};
            return 1;
        };
        $out = _create($path, $params->{mode}) if $result->{success};
        my %reply = (aborted => $answer->{aborted});
        $take->($answer->{content}) if length $answer->{content};
        CPANBridge::HTTP::Exchange::read_on($bridge, $answer->{stream_id}, $take, \%reply, $until) if defined $answer->{stream_id};
        die _error('timeout', $reply{aborted}) if defined $reply{aborted} && defined $until && CPANBridge::Lane::now() >= $until;
        if (defined $reply{aborted}) {
            @{$result}{qw(success status_code reason status_line error)}
                = (0, 500, $reply{aborted}, "500 $reply{aborted}", "Connection failed: $reply{aborted}");
        }
        if ($out && $result->{success}) {
            $out->finish or die _error('failed', "Failed to write $path: $!");
            @{$result}{qw(path bytes)} = ($path, $bytes);
        }
        $result->{body} = $result->{content};
        1;
    };
    my $error = $@;
    return (undef, $result) if $done;
    return CPANBridge::Error::is_one($error) ? $error : die $error;
}

sub upload {
    my ($bridge, $params, $options) = @_;
    my $path = _path($params);
    my $until = _until($options);
    my $answer = eval {
        my ($in, $why) = CPANBridge::File::open_to_read($path);
        die _error('invalid_params', "Failed to read $path: $why") if !$in;
        binmode $in;
        my $total = -s $in;
        my %session = map { $_ => $params->{$_} } grep { exists $params->{$_} } qw(session_id verify_ssl);
        my $id = $bridge->call('http_helper.body_new', \%session, _left($until))->{body_id};
        my $done = 0;
        while (my $count = read $in, my $bytes, CPANBridge::HTTP::Exchange::PIECE()) {
            $bridge->call('http_helper.body_add', { body_id => $id, content => $bytes }, _left($until));
            $done += $count;
            $options->{progress}->($done, $total, 'bytes') if $options->{progress};
        }
        my %request = map { $_ => $params->{$_} } grep { exists $params->{$_} } qw(url headers timeout max_redirect private_headers);
        my $method = defined $params->{method} ? $params->{method} : 'PUT';
        my $sent = $bridge->call('http_helper.body_send', { %request, method => $method, body_id => $id }, %$options, _left($until));
        my $result = _friendly($sent);
        $result->{content} = $result->{body} = $sent->{content};
        @{$result}{qw(path bytes)} = ($path, $done);
        $result;
    };
    return (undef, $answer) if $answer;
    my $error = $@;
    return CPANBridge::Error::is_one($error) ? $error : die $error;
}

# When the call's time is over that these take the place of, and as an option what is left of it.
sub _until {
    my ($options) = @_;
    return defined $options->{timeout} ? CPANBridge::Lane::now() + $options->{timeout} : undef;
}

sub _left {
    my ($until) = @_;
    return if !defined $until;
    my $left = $until - CPANBridge::Lane::now();
    return (timeout => $left > 0.001 ? $left : 0.001);
}

# Equal strings name the same file, here as in the broker.
sub _path {
    my ($params) = @_;
    my $bytes = CPANBridge::Bytes::of($params->{path});
    return defined $bytes ? $bytes : $params->{path};
}

sub _create {
    my ($path, $mode) = @_;
    die _error('invalid_params', "Failed to write $path: it is there and no regular file") if -e $path && !-f _;
    return CPANBridge::File::Part->beside($path, oct(defined $mode ? $mode : 600))
        || die _error('invalid_params', "Failed to write $path: $!");
}

sub _error {
    my ($code, $message) = @_;
    return CPANBridge::Envelope::error($code, undef, $message);
}

# The form in which the broker gives answers to scripts of the old daemon.
sub _friendly {
    my ($answer) = @_;
    my $status = $answer->{status_code};
    my %result = (redirects => [], %$answer, content => '', success => $status >= 200 && $status < 300 ? 1 : 0,
        status_line => "$status $answer->{reason}");
    delete @result{qw(stream_id aborted connection)};
    $result{$_} = _joined(@{ $answer->{$_} }) for grep { $answer->{$_} } qw(headers trailers);
    return \%result;
}

sub _joined {
    my (@fields) = @_;
    my (%headers, %name);
    while (my ($spelt, $value) = splice @fields, 0, 2) {
        push @{ $headers{ $name{ lc $spelt } ||= $spelt } }, $value;
    }
    return { map { $_ => lc $_ eq 'set-cookie' ? $headers{$_} : join ', ', @{ $headers{$_} } } keys %headers };
}

1;

__END__

=encoding utf8

=head1 NAME

CPANBridge::HTTP::Transfer - downloads and uploads where the broker may not open the files (used by CPANBridge)

=head1 FUNCTIONS

=head2 instead_of

    my $function = CPANBridge::HTTP::Transfer::instead_of('http_helper.download');

=head2 download

=head2 upload

    my ($error, $result) = $function->($bridge, \%parameters, \%options);

The same as C<http_helper.download> and C<http_helper.upload>, with the body passing through this process in pieces.

=cut
