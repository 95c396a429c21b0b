package LWP::Simple;

# A stand-in for LWP::Simple, written from the original's documentation.

use strict;
use warnings;

use Exporter ();
use HTTP::Status;
use LWP::UserAgent ();

our $VERSION = '6.68';
our @EXPORT = (qw(get head getprint getstore mirror), @HTTP::Status::EXPORT);
our @ISA = ('Exporter');
our @EXPORT_OK = qw($ua);
our $ua = LWP::UserAgent->new;
$ua->agent("LWP::Simple/$VERSION ");
$ua->env_proxy;

sub get ($) {    ## no critic (ProhibitSubroutinePrototypes)
    my ($url) = @_;
    my $response = $ua->get($url);
    return $response->is_success ? $response->decoded_content : undef;
}

sub head ($) {    ## no critic (ProhibitSubroutinePrototypes)
    my ($url) = @_;
    my $response = $ua->head($url);
    return if !$response->is_success;
    return $response if !wantarray;
    return (scalar $response->header('Content-Type'), scalar $response->header('Content-Length'), $response->last_modified,
        $response->expires, scalar $response->header('Server'));
}

sub getprint ($) {    ## no critic (ProhibitSubroutinePrototypes)
    my ($url) = @_;
    local ($\, $,);
    my $response = $ua->get($url, ':content_cb' => sub { print $_[0] });
    print STDERR $response->status_line, " <URL:$url>\n" if !$response->is_success;
    return $response->code;
}

sub getstore ($$) {    ## no critic (ProhibitSubroutinePrototypes)
    my ($url, $file) = @_;
    return $ua->get($url, ':content_file' => $file)->code;
}

sub mirror ($$) {    ## no critic (ProhibitSubroutinePrototypes)
    my ($url, $file) = @_;
    return $ua->mirror($url, $file)->code;
}

1;

__END__

=encoding utf8

=head1 NAME

LWP::Simple - a stand-in for LWP::Simple, over the broker cpan-bridge

=head1 FUNCTIONS

C<get>, C<head>, C<getprint>, C<getstore>, C<mirror>, C<$ua>, and the exports of L<HTTP::Status>: as in the original
(L<https://metacpan.org/pod/LWP::Simple>).

=cut
