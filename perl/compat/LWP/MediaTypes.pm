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
application/atom+xml atom
application/epub+zip epub
application/java-archive jar
application/java-vm class
application/javascript js
application/json json
application/mac-binhex40 cpt
application/msword doc dot
application/octet-stream bin so dat iso img
application/pdf pdf
application/pgp-encrypted pgp
application/pgp-signature sig asc
application/pkcs7-mime p7m
application/pkcs7-signature p7s
application/pkix-cert cer
application/pkix-crl crl
application/postscript ps eps ai
application/rdf+xml rdf
application/rss+xml rss
application/rtf rtf
application/vnd.amazon.ebook azw
application/vnd.android.package-archive apk
application/vnd.google-earth.kml+xml kml
application/vnd.google-earth.kmz kmz
application/vnd.mozilla.xul+xml xul
application/vnd.ms-excel xls
application/vnd.ms-fontobject eot
application/vnd.ms-powerpoint ppt
application/vnd.oasis.opendocument.presentation odp
application/vnd.oasis.opendocument.spreadsheet ods
application/vnd.oasis.opendocument.text odt
application/vnd.openxmlformats-officedocument.presentationml.presentation pptx
application/vnd.openxmlformats-officedocument.spreadsheetml.sheet xlsx
application/vnd.openxmlformats-officedocument.wordprocessingml.document docx
application/wsdl+xml wsdl
application/x-7z-compressed 7z
application/x-bittorrent torrent
application/x-cpio cpio
application/x-csh csh
application/x-debian-package deb
application/x-dvi dvi
application/x-font-otf otf
application/x-font-ttf ttf
application/x-font-woff woff
application/x-latex latex
application/x-mobipocket-ebook mobi
application/x-msdownload exe dll
application/x-pkcs12 p12 pfx
application/x-rar-compressed rar
application/x-sh sh
application/x-shar shar
application/x-shockwave-flash swf
application/x-stuffit sit
application/x-tar tar
application/x-tcl tcl
application/x-tex tex
application/x-x509-ca-cert crt der
application/x-xpinstall xpi
application/xhtml+xml xhtml xht
application/xml xml xsl
application/xml-dtd dtd
application/xslt+xml xslt
application/zip zip
audio/basic au snd
audio/midi mid midi kar
audio/mp4 m4a
audio/mpeg mp3 mp2 mpga
audio/ogg oga ogg spx opus
audio/x-aac aac
audio/x-aiff aif aiff aifc
audio/x-flac flac
audio/x-pn-realaudio ra ram
audio/x-wav wav
font/woff2 woff2
image/bmp bmp
image/gif gif
image/jpeg jpeg jpg jpe
image/png png
image/svg+xml svg svgz
image/tiff tiff tif
image/vnd.adobe.photoshop psd
image/webp webp
image/x-cmu-raster ras
image/x-icon ico
image/x-portable-anymap pnm
image/x-portable-bitmap pbm
image/x-portable-graymap pgm
image/x-portable-pixmap ppm
image/x-xbitmap xbm
image/x-xpixmap xpm
image/x-xwindowdump xwd
message/rfc822 eml
model/vrml vrml wrl
text/calendar ics ifb
text/css css
text/csv csv
text/html html htm
text/markdown md markdown
text/plain txt text log hh conf
text/rtf rtx
text/tab-separated-values tsv
text/troff t man me ms roff tr
text/x-c c h cc cpp
text/x-java-source java
text/x-vcard vcf
video/3gpp 3gp
video/mp4 mp4
video/mpeg mpeg mpg
video/ogg ogv
video/quicktime mov qt
video/webm webm
video/x-flv flv
video/x-m4v m4v
video/x-ms-wmv wmv
video/x-msvideo avi
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
