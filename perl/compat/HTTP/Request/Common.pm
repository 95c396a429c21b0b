package HTTP::Request::Common;

# A stand-in for HTTP::Request::Common 6.x, written from the original's documentation.

use strict;
use warnings;

use Carp ();
use Exporter ();
use HTTP::Message ();
use HTTP::Request ();

our $VERSION = '6.44';
our @ISA = ('Exporter');
our @EXPORT = qw(GET HEAD PUT PATCH POST OPTIONS);
our @EXPORT_OK = qw($DYNAMIC_FILE_UPLOAD DELETE);
our $DYNAMIC_FILE_UPLOAD = 0;

my $EOL = "\015\012";

sub GET  { return _simple('GET',  @_) }
sub HEAD { return _simple('HEAD', @_) }
sub DELETE { return _simple('DELETE', @_) }
sub POST    { return request_type_with_data('POST',    @_) }
sub PUT     { return request_type_with_data('PUT',     @_) }
sub PATCH   { return request_type_with_data('PATCH',   @_) }
sub OPTIONS { return request_type_with_data('OPTIONS', @_) }

sub _simple {
    my ($method, $url, @headers) = @_;
    my $request = HTTP::Request->new($method, $url);
    my $content;
    while (@headers) {
        my ($name, $value) = splice @headers, 0, 2;
        if (lc $name eq 'content') {
            $request->add_content($value);
            $content = 1;
        }
        else {
            $request->push_header($name, $value);
        }
    }
    $request->header('Content-Length', length ${ $request->content_ref }) if $content && !defined $request->header('Content-Length');
    return $request;
}

sub request_type_with_data {
    my ($method, $url, @headers) = @_;
    my $request = HTTP::Request->new($method, $url);
    my $content = @headers && ref $headers[0] ? shift @headers : undef;
    while (@headers) {
        my ($name, $value) = splice @headers, 0, 2;
        if (lc $name eq 'content') {
            $content = $value;
        }
        else {
            $request->push_header($name, $value);
        }
    }
    my $type = $request->header('Content-Type');
    if (!$type) {
        $type = 'application/x-www-form-urlencoded';
        $request->header('Content-Type' => $type);
    }
    elsif (lc $type eq 'form-data') {
        $type = 'multipart/form-data';
        $request->header('Content-Type' => $type);
    }
    if (ref $content) {
        if ($type =~ m{\Amultipart/form-data\s*(?:;|\z)}i) {
            _multipart($request, $type, $content);
            return $request;
        }
        $content = _urlencoded($content);
    }
    if (defined $content) {
        $request->header('Content-Length' => length $content);
        $request->content($content);
    }
    else {
        $request->header('Content-Length' => 0);
    }
    return $request;
}

sub _urlencoded {
    my ($content) = @_;
    require URI;
    my $url = URI->new('http:');
    $url->query_form(ref $content eq 'HASH' ? %$content : @$content);
    my $text = $url->query;
    return '' if !defined $text;
    # HTML 4.01, 17.13.4: line ends are CR LF.
    $text =~ s/(?<!%0D)%0A/%0D%0A/g;
    return $text;
}

sub _multipart {
    my ($request, $type, $content) = @_;
    require HTTP::Headers::Util;
    my @words = HTTP::Headers::Util::split_header_words($type);
    my $boundary;
    if (@{ $words[0] } >= 2) {
        my %parameter = @{ $words[0] };
        $boundary = $parameter{boundary};
    }
    my ($body, $used, $length) = form_data($content, $boundary, $request);
    if (!defined $boundary || $boundary ne $used) {
        my @kept = @{ $words[0] };
        my ($index) = grep { lc $kept[$_] eq 'boundary' } map { 2 * $_ } 0 .. $#kept / 2;
        defined $index ? ($kept[$index + 1] = $used) : push @kept, boundary => $used;
        $kept[0] = 'multipart/form-data';
        $type = HTTP::Headers::Util::join_header_words(@kept);
    }
    $request->header('Content-Type' => $type);
    $request->header('Content-Length' => defined $length ? $length : length $body) if !ref $body || defined $length;
    $request->content($body);
    return;
}

# A multipart/form-data body (RFC 7578): the bytes, or a code reference that gives them piece by piece; the boundary; the
# length, where it is a code reference and known.
sub form_data {
    my ($data, $boundary, $request) = @_;
    my @data = ref $data eq 'HASH' ? %$data : @$data;
    my @parts;
    my $has_file;
    while (my ($name, $value) = splice @data, 0, 2) {
        if (!ref $value) {
            push @parts, _field($name, $value);
        }
        else {
            my ($file, $usename, @headers) = @$value;
            $has_file = 1 if defined $file && $DYNAMIC_FILE_UPLOAD;
            push @parts, _file($name, $file, $usename, \@headers);
        }
    }
    return ('', 'none') if !@parts;
    $boundary = HTTP::Message::_boundary(0) if !defined $boundary;
    if (!$has_file) {
        my @texts = map { $_->{head} . (defined $_->{path} ? _slurp($_->{path}) : $_->{content}) } @parts;
        $boundary = HTTP::Message::_boundary(10) while grep { index($_, $boundary) >= 0 } @texts;
        return ("--$boundary$EOL" . join("$EOL--$boundary$EOL", @texts) . "$EOL--$boundary--$EOL", $boundary);
    }
    # Files are read while they are sent.
    $boundary = HTTP::Message::_boundary(10) if length $boundary < 10;
    return (_dynamic($boundary, @parts), $boundary, _length($boundary, @parts));
}

# A name within quotes. Line ends would end the line: they are written as HTML's forms write them.
sub _quoted {
    my ($name) = @_;
    $name =~ s/([\\"])/\\$1/g;
    $name =~ s/([\015\012])/sprintf '%%%02X', ord $1/ge;
    return $name;
}

sub _field {
    my ($name, $value) = @_;
    $name = _quoted($name);
    return { head => qq(Content-Disposition: form-data; name="$name"$EOL$EOL), content => defined $value ? $value : '' };
}

sub _file {
    my ($name, $file, $usename, $headers) = @_;
    if (!defined $usename) {
        $usename = $file;
        $usename =~ s{.*/}{} if defined $usename;
    }
    my $disposition = sprintf 'form-data; name="%s"', _quoted($name);
    $disposition .= sprintf '; filename="%s"', _quoted($usename) if defined $usename && length $usename;
    my $part = HTTP::Headers->new;
    my @headers = @$headers;
    my $content = '';
    while (@headers) {
        my ($field, $value) = splice @headers, 0, 2;
        lc $field eq 'content' ? ($content = $value) : $part->push_header($field, $value);
    }
    if (defined $file) {
        open my $handle, '<', $file or Carp::croak("Can't open file $file: $!");
        close $handle;
        if (!$part->header('Content-Type')) {
            require LWP::MediaTypes;
            LWP::MediaTypes::guess_media_type($file, $part);
        }
    }
    if ($part->header('Content-Disposition')) {
        $disposition = $part->header('Content-Disposition');
        $part->remove_header('Content-Disposition');
    }
    my $head = join $EOL, "Content-Disposition: $disposition", $part->as_string($EOL), '';
    return defined $file ? { head => $head, path => $file } : { head => $head, content => $content };
}

sub _slurp {
    my ($path) = @_;
    local $/;
    open my $file, '<', $path or Carp::croak("Can't open file $path: $!");
    binmode $file;
    my $bytes = readline $file;
    return defined $bytes ? $bytes : '';
}

sub _length {
    my ($boundary, @parts) = @_;
    my $length = 0;
    for my $part (@parts) {
        my $content = defined $part->{path} ? -s $part->{path} : length $part->{content};
        return if defined $part->{path} && !-f $part->{path};
        $length += length("--$boundary$EOL") + length($part->{head}) + $content + length $EOL;
    }
    return $length + length "--$boundary--$EOL";
}

sub _dynamic {
    my ($boundary, @parts) = @_;
    my @rest = @parts;
    my ($file, $ended);
    return sub {
        while (1) {
            if ($file) {
                my $count = read $file, my $bytes, 65536;
                Carp::croak("Can't read: $!") if !defined $count;
                return $bytes if $count;
                undef $file;
                return $EOL;
            }
            if (!@rest) {
                return undef if $ended++;    ## no critic (ProhibitExplicitReturnUndef)
                return "--$boundary--$EOL";
            }
            my $part = shift @rest;
            my $head = "--$boundary$EOL$part->{head}";
            return "$head$part->{content}$EOL" if !defined $part->{path};
            open $file, '<', $part->{path} or Carp::croak("Can't open file $part->{path}: $!");
            binmode $file;
            return $head;
        }
    };
}

1;

__END__

=encoding utf8

=head1 NAME

HTTP::Request::Common - a stand-in for HTTP::Request::Common, core Perl only

=head1 FUNCTIONS

C<GET>, C<HEAD>, C<DELETE>, C<POST>, C<PUT>, C<PATCH>, C<OPTIONS>, with forms, C<form-data> and file uploads, and C<$DYNAMIC_FILE_UPLOAD>: as in
the original (L<https://metacpan.org/pod/HTTP::Request::Common>).

=cut
