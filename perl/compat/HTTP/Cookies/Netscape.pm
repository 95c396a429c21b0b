package HTTP::Cookies::Netscape;

# A stand-in for HTTP::Cookies::Netscape: the file that browsers had, and curl and wget have.

use strict;
use warnings;
# HTTP::Cookies loads it as well.
no warnings 'redefine';

use Carp ();
use HTTP::Cookies ();

our $VERSION = '6.10';
our @ISA = ('HTTP::Cookies');

sub load {
    my ($self, @given) = @_;
    local $/ = "\n";
    my ($in, $magic, $file) = $self->_open(@given) or return;
    if (!defined $magic || $magic !~ /\A\# (?:Netscape )?HTTP Cookie File/) {
        Carp::carp("$file does not look like a netscape cookies file");
        return;
    }
    my $now = time;
    while (my $line = readline $in) {
        $line =~ s/[\r\n]+\z//;
        # How browsers mark those that scripts in pages can't see.
        $line =~ s/\A\s*#\s*HttpOnly_//;
        next if $line =~ /\A\s*(?:#|\z)/;
        my ($domain, undef, $path, $secure, $expires, $key, $value) = split /\t/, $line;
        next if !defined $key;
        $self->set_cookie(undef, $key, $value, $path, $domain, undef, 0, $secure eq 'TRUE', $expires - $now, 0);
    }
    return 1;
}

sub save {
    my ($self, @args) = @_;
    my %options = @args == 1 ? (file => $args[0]) : (file => $self->{file}, ignore_discard => $self->{ignore_discard}, @args);
    my $file = defined $options{file} ? $options{file} : $self->{file};
    return if !defined $file || !length $file;
    my $mask = umask 077;
    my $opened = open my $out, '>', $file;
    umask $mask;
    return if !$opened;
    print {$out} "# Netscape HTTP Cookie File\n# https://curl.se/docs/http-cookies.html\n# This is a generated file!  Do not edit.\n\n";
    my $now = time;
    $self->scan(sub {
        my (undef, $key, $value, $path, $domain, undef, undef, $secure, $expires, $discard) = @_;
        return if $discard && !$options{ignore_discard};
        $expires = $expires ? $expires : 0;
        return if $expires && $now > $expires;
        print {$out} join("\t", $domain, $domain =~ /\A\./ ? 'TRUE' : 'FALSE', $path, $secure ? 'TRUE' : 'FALSE', $expires, $key, $value), "\n";
    });
    close $out or return;
    return 1;
}

1;

__END__

=encoding utf8

=head1 NAME

HTTP::Cookies::Netscape - a stand-in for HTTP::Cookies::Netscape, core Perl only

=head1 METHODS

C<load> and C<save>, and those of L<HTTP::Cookies>: as in the original (L<https://metacpan.org/pod/HTTP::Cookies::Netscape>).

=cut
