package LWP::MediaTypes;

# A stand-in for LWP::MediaTypes: the types of files that scripts send and fetch.

use strict;
use warnings;

use Exporter ();

our $VERSION = '6.04';
our @ISA = ('Exporter');
our @EXPORT = qw(guess_media_type media_suffix);
our @EXPORT_OK = qw(add_type add_encoding);

my %ENCODING = (gz => 'gzip', Z => 'compress', bz2 => 'x-bzip2');
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
audio/mpeg mp3
audio/x-wav wav
image/bmp bmp
image/gif gif
image/jpeg jpeg jpg jpe
image/png png
image/svg+xml svg
image/tiff tiff tif
image/vnd.microsoft.icon ico
image/webp webp
message/rfc822 eml
text/css css
text/csv csv
text/html html htm
text/plain txt text log asc c h cc hh
text/xml xml
video/mp4 mp4
video/mpeg mpeg mpg
video/quicktime mov qt
TYPES

sub guess_media_type {
    my ($file, $headers) = @_;
    return undef if !defined $file;    ## no critic (ProhibitExplicitReturnUndef)
    my $name = ref $file ? $file->path : $file;
    my $is_there = !ref $file && -e $file;
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
        $type = $is_there && -f $file && -T _ ? 'text/plain' : 'application/octet-stream';
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
    my %wanted = map { lc $_ => 1 } @types;
    my @suffixes = grep { $wanted{ $TYPE{$_} } } sort keys %TYPE;
    return wantarray ? @suffixes : $suffixes[0];
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
with a shorter list of types; C<read_media_types> is not there.

=cut
