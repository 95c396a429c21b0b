package LWP::MediaTypes;

# A stand-in for LWP::MediaTypes: the types of files that scripts send and fetch.

use strict;
use warnings;

use Exporter ();

our $VERSION = '6.04';
our @ISA = ('Exporter');
our @EXPORT = qw(guess_media_type media_suffix);
our @EXPORT_OK = qw(add_type add_encoding read_media_types);

my %ENCODING = (gz => 'gzip', Z => 'compress', bz2 => 'x-bzip2', uu => 'x-uuencode', UU => 'x-uuencode', hqx => 'x-hqx');
my %TYPE = map { my ($type, @suffixes) = split; map { $_ => $type } @suffixes } split /\n/, <<'TYPES';
application/gzip tgz
application/java-archive jar
application/javascript js
application/json json
application/msword doc dot
application/octet-stream bin exe dll so class dat iso img
application/pdf pdf
application/postscript ps eps ai
application/rtf rtf
application/vnd.ms-excel xls
application/vnd.ms-powerpoint ppt
application/vnd.oasis.opendocument.spreadsheet ods
application/vnd.oasis.opendocument.text odt
application/vnd.openxmlformats-officedocument.presentationml.presentation pptx
application/vnd.openxmlformats-officedocument.spreadsheetml.sheet xlsx
application/vnd.openxmlformats-officedocument.wordprocessingml.document docx
application/x-perl pl pm
application/x-sh sh
application/x-tar tar
application/zip zip
application/atom+xml atom
application/epub+zip epub
application/mac-binhex40 cpt
application/rss+xml rss
application/vnd.rar rar
application/x-7z-compressed 7z
application/x-bittorrent torrent
application/x-shockwave-flash swf
application/xhtml+xml xhtml xht
application/xslt+xml xslt
audio/basic au snd
audio/midi mid midi kar
audio/mp4 m4a
audio/mpeg mp3 mp2 mpga
audio/ogg oga ogg spx opus
audio/x-aiff aif aiff aifc
audio/x-flac flac
audio/x-wav wav
font/otf otf
font/ttf ttf
font/woff woff
font/woff2 woff2
image/bmp bmp
image/gif gif
image/jpeg jpeg jpg jpe
image/png png
image/x-portable-anymap pnm
image/x-portable-bitmap pbm
image/x-portable-graymap pgm
image/x-portable-pixmap ppm
image/x-xbitmap xbm
image/x-xpixmap xpm
image/svg+xml svg
image/tiff tiff tif
image/vnd.microsoft.icon ico
image/webp webp
message/rfc822 eml
text/calendar ics ifb
text/css css
text/csv csv
text/markdown md markdown
text/rtf rtx
text/tab-separated-values tsv
text/html html htm
text/plain txt text log asc c h cc hh
text/xml xml
video/mp4 mp4 m4v
video/ogg ogv
video/webm webm
video/x-msvideo avi
video/mpeg mpeg mpg
video/quicktime mov qt
TYPES

sub guess_media_type {
    my ($file, $headers) = @_;
    return undef if !defined $file;    ## no critic (ProhibitExplicitReturnUndef)
    if (ref $file && !eval { $file->can('can') }) {
        require Carp;
        Carp::croak('Unable to determine filetype on unblessed refs');
    }
    # URIs have a path, temporary files a name, others are one as a text.
    my $is_uri = ref $file && $file->can('path');
    my $name = !ref $file ? $file : $is_uri ? $file->path : $file->can('filename') ? $file->filename : "$file";
    $file = $name if !$is_uri;
    my $is_there = !$is_uri && -e $name;
    (my $base = $name) =~ s{.*/}{};
    my @suffixes = reverse split /\./, $base, -1;
    pop @suffixes;
    my (@encodings, $type);
    for my $suffix (@suffixes) {
        if (my $encoding = $ENCODING{$suffix}) {
            unshift @encodings, $encoding;
            next;
        }
        $type = $TYPE{$suffix} || $TYPE{ lc $suffix };
        last;
    }
    if (!defined $type) {
        $type = $is_there && -T $file ? 'text/plain' : 'application/octet-stream';
        # A name that is all there is says nothing of what would be in it.
        $type = 'text/html' if ref $file && $name =~ m{/\z};
    }
    if ($headers) {
        $headers->header('Content-Type' => $type);
        $headers->header('Content-Encoding' => \@encodings) if @encodings;
    }
    return wantarray ? ($type, @encodings) : $type;
}

sub media_suffix {
    my (@types) = @_;
    # image/* is all of its kind.
    my @patterns = map { my $pattern = quotemeta lc; $pattern =~ s/\\\*/.*/g; qr/\A$pattern\z/ } @types;
    my @suffixes = grep { my $type = $TYPE{$_}; grep { $type =~ $_ } @patterns } sort keys %TYPE;
    return wantarray ? @suffixes : $suffixes[0];
}

# Files of types, as mail and web servers have them: a type, and the ends of names, a line.
sub read_media_types {
    my @files = @_;
    for my $file (@files) {
        open my $in, '<', $file or next;
        local $/ = "\n";
        while (my $line = readline $in) {
            next if $line =~ /\A\s*(?:#|\z)/;
            $line =~ s/#.*//;
            my ($type, @suffixes) = split ' ', $line;
            add_type($type, @suffixes);
        }
    }
    return;
}

sub add_type {
    my ($type, @suffixes) = @_;
    $TYPE{ lc $_ } = $type for map { my $suffix = $_; $suffix =~ s/\A\.+//; $suffix } @suffixes;
    return;
}

sub add_encoding {
    my ($encoding, @suffixes) = @_;
    $ENCODING{$_} = $encoding for map { my $suffix = $_; $suffix =~ s/\A\.+//; $suffix } @suffixes;
    return;
}

1;

__END__

=encoding utf8

=head1 NAME

LWP::MediaTypes - a stand-in for LWP::MediaTypes, core Perl only

=head1 FUNCTIONS

C<guess_media_type>, C<media_suffix>, C<add_type>, C<add_encoding>: as in the original (L<https://metacpan.org/pod/LWP::MediaTypes>),
with a shorter list of types.

=cut
