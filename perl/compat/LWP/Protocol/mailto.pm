package LWP::Protocol::mailto;

# mailto: URLs: a message, by the host's own sendmail.

use strict;
use warnings;

use HTTP::Response ();
use LWP::Protocol ();

our $VERSION = '6.68';
our @ISA = ('LWP::Protocol');

# The program; scripts set another one.
our $SENDMAIL;

sub _sendmail {
    return $SENDMAIL if defined $SENDMAIL;
    my ($found) = grep { -x } qw(/usr/sbin/sendmail /usr/lib/sendmail);
    return $found;
}

sub request {
    my ($self, $request, $proxy) = @_;
    return HTTP::Response->new(400, 'You can not proxy with mail') if defined $proxy;
    my $method = $request->method;
    return HTTP::Response->new(400, "Library does not allow method $method for 'mailto:' URLs") if $method ne 'POST';
    my $uri = $request->uri;
    return HTTP::Response->new(500, "LWP::Protocol::mailto::request called for '" . $uri->scheme . q(')) if $uri->scheme ne 'mailto';
    my $program = _sendmail();
    return HTTP::Response->new(500, 'There is no sendmail on this host') if !defined $program;
    my @fields = $uri->headers;
    my $headers = $request->headers->clone;
    $headers->remove_header('Content-Length');
    while (my ($name, $value) = splice @fields, 0, 2) {
        # Nothing that a URL says begins a field of its own.
        return HTTP::Response->new(400, 'The address has a field whose name is none') if $name !~ /\A[A-Za-z0-9\-]+\z/;
        $value =~ s/[\r\n]+/ /g;
        lc $name eq 'body' ? ($request->content || $request->content($value)) : $headers->header($name => $value);
    }
    # Without a shell: addresses are of others.
    my $pid = open my $mail, '|-';
    return HTTP::Response->new(500, "$program can't be run: $!") if !defined $pid;
    if (!$pid) {
        exec {$program} $program, '-oi', '-t' or do { require POSIX; POSIX::_exit(127) };
    }
    local ($\, $,);
    my $is_sent = print {$mail} $headers->as_string("\n"), "\n", $request->content;
    $is_sent = close($mail) && $is_sent;
    return HTTP::Response->new(500, 'Sendmail did not take the message') if !$is_sent;
    my $response = HTTP::Response->new(202, 'Mail accepted');
    $response->header('Content-Type' => 'text/plain', Server => "$program");
    $response->content('Message sent to <' . $uri->to . ">\n");
    return $response;
}

1;
