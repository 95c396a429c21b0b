package URI::Heuristic;

# What people mean by what they type: a URI, out of a host, a path, an address. See URI.

use strict;
use warnings;

use Exporter 'import';
use URI ();

our $VERSION = '5.17';
our @EXPORT_OK = qw(uf_uri uf_uristr uf_url uf_urlstr);
our ($MY_COUNTRY, $DEBUG);

# Schools, firms and other organisations, by country; most have no names of the kind.
my %ENDS = (
    gb => [qw(co.uk org.uk ac.uk)], au => [qw(com.au org.au edu.au)], nz => [qw(co.nz org.nz ac.nz)], za => [qw(co.za org.za ac.za)],
    il => [qw(co.il org.il ac.il)], jp => [qw(co.jp or.jp ac.jp)], kr => [qw(co.kr or.kr ac.kr)], us => [qw(com org net edu)],
);

sub uf_uristr {
    my ($text) = @_;
    print STDERR "uf_uristr: resolving $text\n" if $DEBUG;
    return if !defined $text;
    $text =~ s/\A\s+//;
    $text =~ s/\s+\z//;
    $text =~ s{\A\\\\}{//} and $text =~ tr{\\}{/};
    return "http://$text" if $text =~ /\A(?:www|web|home)[a-z0-9-]*(?:\.|\z)/i;
    return lc($1) . "://$text" if $text =~ /\A(ftp|gopher|news|wais|https|http)[a-z0-9-]*(?:\.|\z)/i;
    return "smb:$text" if $text =~ m{\A//[^/]};
    return "file:$text" if $text =~ m{\A(?:/|\.\.?/|[a-zA-Z]:[/\\])};
    return "mailto:$text" if $text =~ /\A\S+\@[\w-]+(?:\.[\w-]+)+\z/ && $text !~ /\A[a-zA-Z][\w.+-]*:/;
    return $text if $text =~ /\A[a-zA-Z][a-zA-Z0-9.+\-]*:/;
    return _of_host($text);
}

sub _of_host {
    my ($text) = @_;
    my ($host, $port, $rest) = $text =~ m{\A([a-zA-Z0-9][\w.\-]*)(:\d+)?([/?\#].*)?\z}s or return $text;
    $rest = '' if !defined $rest;
    my $scheme = !defined $port ? 'http' : $port eq ':443' ? 'https' : $port eq ':21' ? 'ftp' : 'http';
    $host = _guessed($host) if $host !~ /\./ && lc $host ne 'localhost';
    return "$scheme://$host" . (defined $port ? $port : '') . $rest;
}

# The first of the names that such a host may have which there is.
sub _guessed {
    my ($host) = @_;
    my @names;
    if (defined $ENV{URL_GUESS_PATTERN}) {
        @names = map { my $name = $_; $name =~ s/\bACME\b/$host/; $name } split ' ', $ENV{URL_GUESS_PATTERN};
    }
    else {
        my $country = my_country();
        $country = 'gb' if defined $country && $country eq 'uk';
        my @ends = !defined $country ? () : $ENDS{$country} ? @{ $ENDS{$country} } : $country;
        @names = map { "www.$host.$_" } @ends, qw(com org net edu int);
    }
    for my $name (@names) {
        print STDERR "uf_uristr: gethostbyname('$name.')\n" if $DEBUG;
        my $is_there = gethostbyname "$name.";
        return $name if $is_there;
    }
    return $host;
}

# By the script, the environment, or the host's own name; in two letters.
sub my_country {
    return $MY_COUNTRY if defined $MY_COUNTRY;
    for my $name (qw(LC_ALL LANG)) {
        return $MY_COUNTRY = lc $1 if defined $ENV{$name} && $ENV{$name} =~ /\A[a-zA-Z]{2}_([a-zA-Z]{2})(?:[.@]|\z)/;
    }
    return $MY_COUNTRY = lc $1 if defined $ENV{HTTP_ACCEPT_LANGUAGE} && $ENV{HTTP_ACCEPT_LANGUAGE} =~ /\b[a-zA-Z]{2}-([a-zA-Z]{2})\b/;
    my $name = do { local ($@, $SIG{__DIE__}); eval { require Net::Domain; Net::Domain::hostfqdn() } };
    return $MY_COUNTRY = lc $1 if defined $name && $name =~ /\.([a-zA-Z]{2})\z/;
    return $MY_COUNTRY = undef;
}

sub uf_uri { my ($text) = @_; return URI->new(uf_uristr($text)) }

sub uf_url {
    my ($text) = @_;
    require URI::URL;
    return URI::URL->new(uf_uristr($text));
}

sub uf_urlstr { my ($text) = @_; return uf_uristr($text) }

1;
