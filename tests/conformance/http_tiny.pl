#!/usr/bin/env perl
use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(basename dirname);
use File::Temp qw(tempdir);
use Getopt::Long qw(GetOptions);
use IO::Socket::INET;
use Pod::Usage qw(pod2usage);
use POSIX ();

my $top;

BEGIN {
    $top = dirname(dirname(dirname(abs_path(__FILE__))));
    unshift @INC, "$top/perl/lib", "$top/perl/t/lib";
}
use CPANBridge::HTTP;
use TestBroker;

GetOptions('verbose' => \my $verbose, 'help|h' => \my $help) or pod2usage(2);
pod2usage(-verbose => 2, -exitval => 0) if $help;
@ARGV == 1 && -d "$ARGV[0]/corpus" or pod2usage(-message => 'a checkout of HTTP::Tiny, please', -exitval => 2);
my $broker = TestBroker->start('--log-level', 'error');
$ENV{CPAN_BRIDGE_SOCKET} = $broker->socket_path;
delete @ENV{map { ($_, uc) } qw(http_proxy https_proxy all_proxy no_proxy)};

# Parts of cases: a name, then its lines, each after two blanks.
sub parsed {
    my ($text) = @_;
    my (%case, $name);
    for my $line (split /\n/, $text) {
        if ($line =~ s/\A +//) { push @{ $case{$name} }, $line }
        else                   { $case{ $name = $line } ||= [] }
    }
    return \%case;
}

sub fields {
    my ($lines) = @_;
    my %fields;
    for my $line (@{ $lines || [] }) {
        my ($name, $value) = $line =~ /\A([^:]+): (.*)\z/ or next;
        $fields{$name} = !exists $fields{$name} ? $value : [ref $fields{$name} ? @{ $fields{$name} } : $fields{$name}, $value];
    }
    return \%fields;
}

# A server that is given to the client as its proxy, so that names need not be looked up: one answer for each request, whose bytes it tells.
sub serve {
    my (@answers) = @_;
    my $listener = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1') or die $!;
    pipe my $heard, my $told or die $!;
    my $pid = fork;
    die if !defined $pid;
    if (!$pid) {
        close $heard;
        alarm 30;
        while (@answers and my $client = $listener->accept) {
            while (@answers) {
                my $request = read_request($client);
                last if !defined $request;
                syswrite $told, pack 'N/a*', $request;
                syswrite $client, shift @answers;
                last;
            }
            close $client;
        }
        POSIX::_exit(0);
    }
    close $told;
    return ($listener->sockport, $heard, $pid);
}

sub read_request {
    my ($client) = @_;
    my $bytes = '';
    while ($bytes !~ /\r\n\r\n/) {
        return if !sysread $client, $bytes, 4096, length $bytes;
    }
    my ($head, $body) = split /\r\n\r\n/, $bytes, 2;
    my ($length) = $head =~ /^content-length: *(\d+)/im;
    my $is_chunked = $head =~ /^transfer-encoding: *chunked/im;
    while ($is_chunked ? $body !~ /(?:\A|\r\n)0\r\n(?:.*\r\n)*\r\n\z/ : length $body < ($length || 0)) {
        return if !sysread $client, $body, 4096, length $body;
    }
    return "$head\r\n\r\n$body";
}

# What matters of a request: how the library frames a body and which of its own headers it adds is its own business.
sub essence {
    my ($request) = @_;
    my ($head, $body) = split /\r\n\r\n/, $request, 2;
    $body = '' if !defined $body;
    my ($line, @headers) = split /\r\n/, $head;
    $line =~ s{ http://[^/ ]+(?=/)}{ };
    if ($head =~ /^transfer-encoding: *chunked/im) {
        my $whole = '';
        while ($body =~ s/\A([0-9a-f]+)[^\r]*\r\n//i && hex $1) {
            $whole .= substr $body, 0, hex $1, '';
            $body =~ s/\A\r\n//;
        }
        $body = $whole;
    }
    my %seen;
    for my $header (@headers) {
        my ($name, $value) = $header =~ /\A([^:]+): *(.*?)\s*\z/ or next;
        next if lc($name) =~ /\A(?:connection|user-agent|content-length|transfer-encoding|trailer|te|accept.*|proxy-connection)\z/;
        push @{ $seen{ lc $name } }, $value;
    }
    $body =~ s/(?:\r\n)+\z//;
    return join "\n", $line, (map { "$_: " . join ', ', @{ $seen{$_} } } sort keys %seen), $body;
}

# The fields of a form, which stand in one line.
sub form_of {
    my ($case) = @_;
    my @fields = map { $_ eq '<undef>' ? undef : $_ } split /\|/, $case->{content}[0];
    return \@fields if $case->{datatype}[0] ne 'HASH';
    my %form;
    while (my ($name, $value) = splice @fields, 0, 2) {
        $form{$name} = exists $form{$name} ? [ref $form{$name} ? @{ $form{$name} } : $form{$name}, $value] : $value;
    }
    return \%form;
}

# A file to mirror into, two days older than the answers' date where the case's name wants one that is there.
sub mirrored {
    my ($url) = @_;
    my $file = tempdir(CLEANUP => 1) . '/' . basename($url);
    if ($url =~ /modified/) {
        open my $out, '>', $file or die $!;
        close $out;
        utime +(760_233_600 - 2 * 86_400) x 2, $file;
    }
    return $file;
}

my ($files, $passed, @failed) = (0, 0);
for my $file (sort glob "$ARGV[0]/corpus/*.txt") {
    my $label = basename($file, '.txt');
    my ($method) = $label =~ /\A([a-z]+)-/;
    # Their own proxies and connections that are kept are other tests' business.
    next if $label =~ /\A(?:proxy|keepalive|cookies)/;
    $files++;
    my $text = do { local (@ARGV, $/) = $file; <> };
    my ($first, @rest) = split /--+\n/, $text;
    my $case = parsed($first);
    my (@requests, @answers);
    while (my ($request, $answer) = splice @rest, 0, 2) {
        push @requests, $request;
        s/\n/\r\n/g for $request, $answer;
        $requests[-1] = $request;
        push @answers, $answer;
    }
    my ($port, $heard, $pid) = serve(@answers);
    my $new = fields($case->{new_args});
    my $headers = fields($case->{headers});
    my $http = CPANBridge::HTTP->new(keep_alive => 0, http_proxy => "http://127.0.0.1:$port", timeout => 10, %$new);
    my %options = %$headers ? (headers => $headers) : ();
    my $url = $case->{url} ? $case->{url}[0] : '';
    $main::data = '';
    for my $callback (qw(data_cb content_cb trailer_cb)) {
        next if !$case->{$callback};
        my $name = { data_cb => 'data_callback', content_cb => 'content', trailer_cb => 'trailer_callback' }->{$callback};
        # Code of the suite's authors, which is what their own drivers do with it.
        $options{$name} = eval join "\n", 'no strict; no warnings;', @{ $case->{$callback} };
    }
    $options{content} = join "\n", @{ $case->{content} } if $case->{content} && $method ne 'form';
    my $response = eval {
          $method eq 'form'     ? $http->post_form($url, form_of($case), %options ? \%options : ())
        : $method eq 'mirror'   ? $http->mirror($url, mirrored($url), \%options)
        : $method eq 'redirect' ? $http->request($case->{method} ? $case->{method}[0] : 'GET', $url, \%options)
        : $method eq 'auth'     ? $http->get($url, \%options)
        :                         $http->request(uc $method, $url, \%options);
    };
    my @why;
    push @why, "died: $@" if !$response;
    kill TERM => $pid;
    my @got = do { local $/; unpack '(N/a*)*', readline $heard };
    waitpid $pid, 0;
    for my $index (0 .. $#requests) {
        last if $index > $#got && $index;
        my ($want, $have) = map { defined $_ ? essence($_) : 'none' } $requests[$index], $got[$index];
        push @why, "request $index: wanted\n$want\ngot\n$have" if $want ne $have;
    }
    if ($response) {
        my ($status) = ($answers[$#got < 0 ? 0 : $#got] || '') =~ /\AHTTP\S+ (\d+)/;
        $status = $case->{expected_rc}[0] if $case->{expected_rc} && defined $case->{expected_rc}[0];
        push @why, "status $response->{status}, wanted $status ($response->{content})" if $response->{status} ne $status;
        my $wanted = $case->{expected} ? join "\n", @{ $case->{expected} } : undef;
        my $content = $options{data_callback} ? $main::data : $response->{content};
        if (defined $wanted && $method !~ /mirror|head|delete/) {
            s/[\r\n]+\z// for $wanted, $content;
            push @why, "content: wanted '$wanted', got '$content'" if $wanted ne $content;
        }
        my $last = $case->{expected_url} ? $case->{expected_url}[0] : $url;
        push @why, "url $response->{url}, wanted $last" if $method !~ /auth/ && defined $response->{url} && $response->{url} ne $last && !$response->{redirects};
        my $expected = fields($case->{expected_headers});
        for my $name (sort keys %$expected) {
            my ($have, $want) = map { ref $_ ? join ', ', @$_ : defined $_ ? $_ : 'none' } $response->{headers}{$name}, $expected->{$name};
            push @why, "header $name: $have, wanted $want" if $have ne $want;
        }
    }
    if (@why) {
        push @failed, $label;
        print "$label: ", join("\n  ", @why), "\n" if $verbose;
    }
    else {
        $passed++;
    }
}
print map { "$_\n" } @failed ? "not: @failed" : ();
print "$passed of $files cases passed\n";
exit(@failed ? 1 : 0);

__END__

=head1 NAME

http_tiny.pl - HTTP::Tiny's corpus of requests and answers, against CPANBridge::HTTP

=head1 SYNOPSIS

    perl tests/conformance/http_tiny.pl [--verbose] CHECKOUT

=head1 DESCRIPTION

The tests that use the corpus in HTTP::Tiny's distribution put functions of their own in the place of its insides, so they can't be run on
another client. Here each case is asked over a connection: of a server that is the client's proxy, which tells what it was sent and answers
what the case says. Compared are the request's line, the headers that the case or the script names, and its body; the answer's status,
content, URL and headers.

Cases about proxies and connections that are kept are left out.

=cut
