package URI::Escape;

# A stand-in for URI::Escape 5.x, written from the original's documentation.

use strict;
use warnings;

use Carp ();
use Exporter ();

our $VERSION = '5.17';
our @ISA = ('Exporter');
our @EXPORT = qw(uri_escape uri_unescape uri_escape_utf8);
our @EXPORT_OK = qw(%escapes);
our %escapes = map { chr($_) => sprintf '%%%02X', $_ } 0 .. 255;

# Patterns by the characters they name: scripts give the same few again and again.
my %PATTERN;

sub uri_escape {
    my ($text, $characters) = @_;
    return undef if !defined $text;    ## no critic (ProhibitExplicitReturnUndef)
    Carp::croak("Can't escape \\x{" . sprintf('%04X', ord $1) . '}, try uri_escape_utf8() instead') if $text =~ /([^\x00-\xFF])/ && !defined $characters;
    my $pattern;
    if (defined $characters) {
        $pattern = ref $characters eq 'Regexp' ? $characters : $PATTERN{$characters} ||= do {
            # What a class of a pattern has inside: brackets stand for themselves, but in `[:alpha:]`, and so does a last backslash.
            (my $class = $characters) =~ s{(\[:\^?\w+:\]|\\.)|(\\\z|[\[\]])}{defined $1 ? $1 : "\\$2"}gse;
            my $compiled = do { local $SIG{__DIE__}; eval { qr/[$class]/ } };
            Carp::croak("uri_escape: $@") if !$compiled;
            $compiled;
        };
        # A pattern of the script's own may match more than one character.
        $text =~ s/($pattern)/defined $escapes{$1} ? $escapes{$1} : join '', map { defined $escapes{$_} ? $escapes{$_} : _too_wide($_) } split m{}, $1/ge;
    }
    else {
        # RFC 3986, 2.3: everything but the unreserved characters.
        $text =~ s/([^A-Za-z0-9\-\._~])/$escapes{$1}/g;
    }
    return $text;
}

sub _too_wide {
    my ($character) = @_;
    Carp::croak(sprintf q(Can't escape \x{%04X}, try uri_escape_utf8() instead), ord $character);
}

sub uri_escape_utf8 {
    my ($text, @characters) = @_;
    return undef if !defined $text;    ## no critic (ProhibitExplicitReturnUndef)
    utf8::encode($text);
    return uri_escape($text, @characters);
}

sub uri_unescape {
    my @texts = @_;
    if (@texts > 1 && wantarray) {
        s/%([0-9A-Fa-f]{2})/chr hex $1/ge for @texts;
        return @texts;
    }
    my $text = $texts[0];
    $text =~ s/%([0-9A-Fa-f]{2})/chr hex $1/ge if defined $text;
    return $text;
}

# One character, as its UTF-8 bytes where it is no byte.
sub escape_char {
    my ($character) = @_;
    utf8::encode($character) if utf8::is_utf8($character);
    return join '', map { $escapes{$_} } split //, $character;
}

1;

__END__

=encoding utf8

=head1 NAME

URI::Escape - a stand-in for URI::Escape, core Perl only

=head1 FUNCTIONS

C<uri_escape>, C<uri_escape_utf8>, C<uri_unescape>, C<%escapes>: as in the original (L<https://metacpan.org/pod/URI::Escape>).

=cut
