package HTTP::Message;

# A stand-in for HTTP::Message 6.x, written from the original's documentation and from what it was seen to do.

use strict;
use warnings;

use Carp ();
use HTTP::Headers ();

our $VERSION = '6.44';
our $AUTOLOAD;

# The class of URIs, for modules beside it.
no warnings 'once';
$HTTP::URI_CLASS ||= $ENV{PERL_HTTP_URI_CLASS} || 'URI';
{
    # They count on its being loaded.
    (my $file = "$HTTP::URI_CLASS.pm") =~ s{::}{/}g;
    require $file;
}

# How many bytes content may unfold to, in messages that are made from now on; undef for any.
our $MAXIMUM_BODY_SIZE;

my $EOL = "\015\012";

sub new {
    my ($class, $headers, $content) = @_;
    if (!defined $headers) {
        $headers = HTTP::Headers->new;
    }
    elsif (ref $headers eq 'ARRAY') {
        $headers = HTTP::Headers->new(@$headers);
    }
    elsif (ref $headers && eval { $headers->can('clone') }) {
        $headers = $headers->clone;
    }
    else {
        Carp::croak('Bad header argument: ' . $headers);
    }
    _must_be_bytes($content);
    return bless { _headers => $headers, _content => defined $content ? $content : '', _max_body_size => $MAXIMUM_BODY_SIZE }, $class;
}

sub parse {
    my ($class, $text) = @_;
    my @headers;
    while (1) {
        if ($text =~ /\G([^\s:]++)[ \t]*+: ?(.*)\n?/gc) {
            push @headers, [$1, $2];
            $headers[-1][1] =~ s/\r\z//;
        }
        elsif (@headers && $text =~ /\G([ \t].*)\n?/gc) {
            (my $more = $1) =~ s/\r\z//;
            $headers[-1][1] .= "\n$more";
        }
        else {
            $text =~ /\G\r?\n/gc;
            last;
        }
    }
    $text = substr $text, pos($text) || 0;
    my $self = bless { _headers => HTTP::Headers->new, _content => '' }, $class;
    # As they are spelt, and each on its own: the same name may come again.
    local $HTTP::Headers::TRANSLATE_UNDERSCORE = 0;
    my (%values, @names);
    for my $header (@headers) {
        push @names, $header->[0] if !$values{ $header->[0] };
        push @{ $values{ $header->[0] } }, $header->[1];
    }
    $self->{_headers}->push_header($_ => $values{$_}) for @names;
    $self->add_content($text);
    $self->{_max_line_length} = 0;
    return $self;
}

sub clone {
    my ($self) = @_;
    my $clone = HTTP::Message->new($self->headers, $self->content);
    $clone->protocol($self->protocol);
    return bless $clone, ref $self;
}

sub clear {
    my ($self) = @_;
    $self->{_headers}->clear;
    $self->content('');
    delete $self->{_parts};
    return;
}

sub protocol { my $self = shift; return $self->_elem('_protocol', @_) }

sub _elem {
    my ($self, $name, @value) = @_;
    my $old = $self->{$name};
    $self->{$name} = $value[0] if @value;
    return $old;
}

sub max_body_size { my $self = shift; return $self->_elem('_max_body_size', @_) }

sub headers           { return $_[0]->{_headers} }
sub headers_as_string { my $self = shift; return $self->headers->as_string(@_) }

sub content {
    my $self = $_[0];
    if (defined wantarray) {
        $self->_gather if !exists $self->{_content};
        my $old = $self->{_content};
        $old = $$old if ref $old eq 'SCALAR';
        $self->_replace_content($_[1]) if @_ > 1;
        return $old;
    }
    $self->_replace_content($_[1]) if @_ > 1;
    Carp::carp('Useless content call in void context') if @_ == 1 && $^W;
    return;
}

sub _replace_content {
    my $self = $_[0];
    _must_be_bytes($_[1]);
    if (!ref $_[1] && ref $self->{_content} eq 'SCALAR') {
        ${ $self->{_content} } = defined $_[1] ? $_[1] : '';
    }
    else {
        Carp::croak("Can't set content to be a scalar reference") if ref $_[1] eq 'SCALAR';
        $self->{_content} = defined $_[1] ? $_[1] : '';
        delete $self->{_content_ref};
    }
    delete $self->{_parts};
    return;
}

sub _must_be_bytes {
    return if !defined $_[0] || ref $_[0];
    utf8::downgrade($_[0], 1) or Carp::croak('HTTP::Message content must be bytes');
    return;
}

sub add_content {
    my $self = shift;
    $self->_gather if !exists $self->{_content};
    my $more = ref $_[0] ? ${ $_[0] } : $_[0];
    _must_be_bytes($more);
    $more = '' if !defined $more;
    Carp::croak("Can't append to " . ref($self->{_content}) . ' content') if ref $self->{_content} && ref $self->{_content} ne 'SCALAR';
    if (ref $self->{_content} eq 'SCALAR') {
        ${ $self->{_content} } .= $more;
    }
    else {
        $self->{_content} .= $more;
    }
    delete $self->{_parts};
    return;
}

sub add_content_utf8 {
    my ($self, $text) = @_;
    utf8::encode($text);
    return $self->add_content($text);
}

sub content_ref {
    my ($self, @value) = @_;
    $self->_gather if !exists $self->{_content};
    delete $self->{_parts};
    my $old = \$self->{_content};
    my $was_reference = $self->{_content_ref};
    if (@value) {
        Carp::croak('Setting content_ref to a non-ref') if !ref $value[0];
        delete $self->{_content};
        $self->{_content} = $value[0];
        $self->{_content_ref}++;
    }
    return $was_reference ? $$old : $old;
}

# --- What the content says

# The codings that can be undone here: those of the core modules that are installed.
my %INFLATE = (
    # Strict: with a look at the sum that it ends with.
    gzip      => ['IO::Uncompress::Gunzip',  'gunzip',  'MultiStream' => 1, Strict => 1],
    'x-gzip'  => ['IO::Uncompress::Gunzip',  'gunzip',  'MultiStream' => 1, Strict => 1],
    deflate   => ['IO::Uncompress::Inflate', 'inflate'],
    bzip2     => ['IO::Uncompress::Bunzip2', 'bunzip2', 'MultiStream' => 1],
    'x-bzip2' => ['IO::Uncompress::Bunzip2', 'bunzip2', 'MultiStream' => 1],
);

my %DEFLATE = (
    gzip      => ['IO::Compress::Gzip',    'gzip',  -Minimal => 1],
    'x-gzip'  => ['IO::Compress::Gzip',    'gzip',  -Minimal => 1],
    deflate   => ['IO::Compress::Deflate', 'deflate'],
    bzip2     => ['IO::Compress::Bzip2',   'bzip2'],
    'x-bzip2' => ['IO::Compress::Bzip2',   'bzip2'],
);

sub _load {
    my ($module) = @_;
    (my $file = "$module.pm") =~ s{::}{/}g;
    my $eval_error = $@;
    my $is_there = do { local $SIG{__DIE__} = 'DEFAULT'; eval { require $file; 1 } };
    $@ = $eval_error;
    return $is_there;
}

sub decodable {
    my @codings;
    push @codings, 'gzip', 'x-gzip' if _load('IO::Uncompress::Gunzip');
    push @codings, 'deflate' if _load('IO::Uncompress::Inflate') && _load('IO::Uncompress::RawInflate');
    push @codings, 'x-bzip2' if _load('IO::Uncompress::Bunzip2');
    return wantarray ? @codings : join ', ', @codings;
}

sub _inflate {
    my ($coding, $input, $most) = @_;
    my ($module, $function, @options) = @{ $INFLATE{$coding} };
    _load($module) or die "Can't decode $coding: $module is not installed\n";
    # An answer without a body has the head of one: to HEAD, or of a redirect.
    return \(my $nothing = '') if !length $$input;
    return _inflate_within($module, $function, $input, $most, @options) if defined $most;
    my $output;
    my $work = $module->can($function);
    return \$output if $work->($input, \$output, @options, Transparent => 0);
    # Some servers send bare deflate (RFC 1951) where the standard has zlib's form.
    if ($coding eq 'deflate' && _load('IO::Uncompress::RawInflate')) {
        return \$output if IO::Uncompress::RawInflate::rawinflate($input, \$output, Transparent => 0);
    }
    die "Can't $function content: data error (" . _reason($module, $function) . ")\n";
}

# Each module has its own variable for that.
sub _reason {
    my ($module, $function) = @_;
    my $name = $module . '::' . ucfirst($function) . 'Error';
    no strict 'refs';    ## no critic (ProhibitNoStrict)
    my $why = ${$name};
    return defined $why && length "$why" ? "$why" : 'what it is nobody said';
}

# The same in pieces, and no further than that.
sub _inflate_within {
    my ($module, $function, $input, $most, @options) = @_;
    my $wrong = sub { die "Can't $function content: data error (" . _reason($module, $function) . ")\n" };
    my $stream = $module->new($input, @options, Transparent => 0) or $wrong->();
    my $output = '';
    my $count;
    while (($count = $stream->read($output, 65_536, length $output)) > 0) {
        die "Decoded content would be larger than $most octets\n" if length $output > $most;
    }
    $wrong->() if $count < 0;
    return \$output;
}

sub decode {
    my ($self) = @_;
    return 1 if !$self->header('Content-Encoding');
    my $content = $self->decoded_content(charset => 'none');
    return 0 if !defined $content;
    $self->remove_header('Content-Encoding', 'Content-Length', 'Content-MD5');
    $self->content($content);
    return 1;
}

sub encode {
    my ($self, @codings) = @_;
    Carp::croak("Can't encode multipart/* messages") if $self->content_type =~ m{\Amultipart/};
    Carp::croak("Can't encode message/* messages")   if $self->content_type =~ m{\Amessage/};
    return 1 if !@codings;
    my $content = $self->content;
    for my $coding (@codings) {
        if ($coding eq 'identity' || $coding eq 'none') {
            next;
        }
        elsif ($coding eq 'base64') {
            require MIME::Base64;
            $content = MIME::Base64::encode_base64($content);
        }
        elsif ($coding eq 'rot13') {
            $content =~ tr/A-Za-z/N-ZA-Mn-za-m/;
        }
        elsif (my $way = $DEFLATE{$coding}) {
            my ($module, $function, @options) = @$way;
            return 0 if !_load($module);
            my $packed;
            my $work = $module->can($function);
            $work->(\$content, \$packed, @options) or return 0;
            $content = $packed;
        }
        else {
            return 0;
        }
    }
    my $before = $self->header('Content-Encoding');
    unshift @codings, $before if defined $before;
    $self->header('Content-Encoding', join ', ', @codings);
    $self->remove_header('Content-Length', 'Content-MD5');
    $self->content($content);
    return 1;
}

# What a body's own text says of its charset.
sub _charset_of_bom {
    my ($bytes) = @_;
    return 'UTF-8'    if $$bytes =~ /\A\xEF\xBB\xBF/;
    return 'UTF-32LE' if $$bytes =~ /\A\xFF\xFE\x00\x00/;
    return 'UTF-32BE' if $$bytes =~ /\A\x00\x00\xFE\xFF/;
    return 'UTF-16LE' if $$bytes =~ /\A\xFF\xFE/;
    return 'UTF-16BE' if $$bytes =~ /\A\xFE\xFF/;
    return;
}

# What a page says of itself (HTML, 4.2.5.4, 13.2.3.2): the first element that does, comments left out. A page that says so in ASCII is in no form
# of UTF-16, and who says ISO-8859-1 means what Windows has of it.
sub _charset_of_meta {
    my ($head) = @_;
    $head =~ s/<!--.*?(?:-->|\z)//gs;
    while ($head =~ /<meta\b([^>]*)>/gi) {
        my $attributes = $1;
        my ($charset) = $attributes =~ /\bcharset\s*=\s*["']?\s*([\w.:\-]+)/i or next;
        return 'UTF-8' if $charset =~ /\Autf-?(?:16|32)/i;
        require Encode;
        my $encoding = Encode::find_encoding(lc $charset eq 'iso-8859-1' ? 'windows-1252' : $charset) or next;
        my $name = $encoding->mime_name;
        return defined $name ? $name : $encoding->name;
    }
    return;
}

sub content_charset {
    my ($self) = @_;
    my $charset = $self->content_type_charset;
    return $charset if defined $charset;
    my $bytes = $self->decoded_content(ref => 1, charset => 'none');
    return undef if !$bytes || !length $$bytes;    ## no critic (ProhibitExplicitReturnUndef)
    if ($self->content_is_xml) {
        my $bom = _charset_of_bom($bytes);
        return $bom if $bom;
        # XML 1.0, appendix F.
        return 'UTF-32BE' if $$bytes =~ /\A\x00\x00\x00</;
        return 'UTF-32LE' if $$bytes =~ /\A<\x00\x00\x00/;
        return 'UTF-16BE' if $$bytes =~ /\A(?:\x00\s)*\x00</;
        return 'UTF-16LE' if $$bytes =~ /\A(?:\s\x00)*<\x00/;
        if ($$bytes =~ /\A\s*<\?xml([^>]*?)\?>/ && $1 =~ /\sencoding\s*=\s*(["'])(.*?)\1/s) {
            my ($charset) = $2 =~ /\A\s*+(.*\S)/s;
            return $charset if defined $charset;
        }
        return 'UTF-8';
    }
    if ($self->content_is_html) {
        my $bom = _charset_of_bom($bytes);
        return $bom if $bom;
        my $charset = _charset_of_meta(substr $$bytes, 0, 8192);
        return $charset if defined $charset;
    }
    elsif ($self->content_type eq 'application/json') {
        # RFC 4627, 3: the first two characters are ASCII.
        return 'UTF-32BE' if $$bytes =~ /\A\x00\x00\x00./s;
        return 'UTF-32LE' if $$bytes =~ /\A.\x00\x00\x00/s;
        return 'UTF-16BE' if $$bytes =~ /\A\x00.\x00./s;
        return 'UTF-16LE' if $$bytes =~ /\A.\x00.\x00/s;
        return 'UTF-8';
    }
    if ($self->content_is_text) {
        my $bom = _charset_of_bom($bytes);
        return $bom if $bom;
        return 'US-ASCII' if $$bytes !~ /[\x80-\xFF]/;
        my $copy = $$bytes;
        return 'UTF-8' if utf8::decode($copy);
        return 'ISO-8859-1';
    }
    return;
}

sub decoded_content {
    my ($self, %options) = @_;
    my $content = eval { $self->_decoded(\%options) };
    if (!$content) {
        die $@ if $options{raise_error};
        return undef;    ## no critic (ProhibitExplicitReturnUndef)
    }
    return $options{ref} ? $content : $$content;
}

sub _decoded {
    my ($self, $options) = @_;
    my $content = $self->content_ref;
    die "Can't decode ref content\n" if ref $content ne 'SCALAR';
    my $most = exists $options->{max_body_size} ? $options->{max_body_size} : $self->max_body_size;
    if (my $encoding = $self->header('Content-Encoding')) {
        for my $coding (reverse map { /\A\s*+(.*\S)/s } split /,/, lc $encoding) {
            next if !length $coding || $coding eq 'identity' || $coding eq 'none';
            if ($INFLATE{$coding}) {
                $content = _inflate($coding, $content, $most);
            }
            elsif ($coding eq 'base64') {
                require MIME::Base64;
                my $decoded = MIME::Base64::decode_base64($$content);
                $content = \$decoded;
            }
            elsif ($coding eq 'quoted-printable') {
                require MIME::QuotedPrint;
                my $decoded = MIME::QuotedPrint::decode_qp($$content);
                $content = \$decoded;
            }
            elsif ($coding eq 'compress' || $coding eq 'x-compress') {
                # Of LZW there is nothing in core Perl.
                die "Can't uncompress content: $coding\n";
            }
            else {
                die "Don't know how to decode Content-Encoding '$coding'\n";
            }
        }
    }
    # text/xml stays as it is written, as with the original.
    my $is_text = $self->content_is_text;
    my $is_xml = !$is_text && $self->content_is_xml;
    if ($is_text || $is_xml) {
        my $charset = $options->{charset} || $self->content_type_charset || $options->{default_charset}
            || $self->content_charset || 'ISO-8859-1';
        $charset = lc $charset;
        $content = $self->_characters($content, $charset, $options, $is_xml) if $charset ne 'none';
    }
    return $content;
}

sub _characters {
    my ($self, $content, $charset, $options, $is_xml) = @_;
    require Encode;
    if ($charset =~ /\A(?:us-)?ascii\z/ || $charset eq 'iso-8859-1' || $charset eq 'latin1') {
        # Bytes are the characters they stand for, also for `lc` and its kin.
        my $copy = $$content;
        utf8::upgrade($copy);
        return \$copy if !$options->{charset_strict};
    }
    my $check = $options->{charset_strict} ? Encode::FB_CROAK() : Encode::FB_DEFAULT();
    my $found = Encode::find_encoding($charset);
    if (!$found && $options->{alt_charset}) {
        return $content if lc $options->{alt_charset} eq 'none';
        $found = Encode::find_encoding($options->{alt_charset});
    }
    die "Unknown encoding '$charset'\n" if !$found;
    my $bytes = $$content;
    my $text = $found->decode($bytes, $check | Encode::LEAVE_SRC());
    $text =~ s/\A\x{FEFF}// if $is_xml;
    if ($is_xml && $text =~ /\A\s*<\?xml\b/) {
        # The declaration speaks of bytes that are no more. The original takes it out where it has these quotes.
        $text =~ s/(\A\s*<\?xml[^>]*?)\s+encoding\s*=\s*"[^"]*"/$1/;
    }
    return \$text;
}

# --- Parts

sub parts {
    my ($self, @value) = @_;
    $self->_split_parts if defined wantarray && !exists $self->{_parts} || ref $self->{_content} eq 'SCALAR';
    my $old = $self->{_parts};
    if (@value) {
        my @parts = map { ref $_ eq 'ARRAY' ? @$_ : $_ } @value;
        my $type = $self->content_type || '';
        if ($type =~ m{\Amessage/}) {
            Carp::croak("Only one part allowed for $type content") if @parts > 1;
        }
        elsif ($type !~ m{\Amultipart/}) {
            $self->remove_content_headers;
            $self->content_type('multipart/mixed');
        }
        $self->{_parts} = \@parts;
        $self->_stale_content;
    }
    return wantarray ? @{ $old || [] } : ($old || [])->[0];
}

sub add_part {
    my ($self, @new) = @_;
    if (($self->content_type || '') !~ m{\Amultipart/}) {
        my $part = HTTP::Message->new($self->remove_content_headers, $self->content);
        $self->content_type('multipart/mixed');
        $self->{_parts} = [];
        push @{ $self->{_parts} }, $part if $part->headers->header_field_names || length $part->content;
    }
    elsif (!exists $self->{_parts} || ref $self->{_content} eq 'SCALAR') {
        $self->_split_parts;
    }
    push @{ $self->{_parts} }, @new;
    $self->_stale_content;
    return;
}

sub _stale_content {
    my ($self) = @_;
    delete @{$self}{qw(_content _content_ref)} if ref $self->{_content} ne 'SCALAR';
    return $self->_gather;
}

sub _split_parts {
    my ($self) = @_;
    my $type = $self->content_type;
    if ($type =~ m{\Amultipart/}) {
        require HTTP::Headers::Util;
        my ($words) = HTTP::Headers::Util::split_header_words($self->header('Content-Type'));
        die 'Assert' if !$words;
        my %parameter = @$words[2 .. $#$words];
        my $boundary = $parameter{boundary};
        if (defined $boundary) {
            my $text = $self->content;
            $text =~ s/\r?\n--\Q$boundary\E--.*//s;
            if ($text =~ s/(?:\A|.*?\r?\n)--\Q$boundary\E\r?\n//s) {
                $self->{_parts} = [map { HTTP::Message->parse($_) } split /\r?\n--\Q$boundary\E\r?\n/, $text, -1];
            }
        }
    }
    elsif ($type eq 'message/http') {
        my $text = $self->content;
        require HTTP::Request;
        require HTTP::Response;
        my $class = $text =~ m{\A(?:HTTP/.*)\n} ? 'HTTP::Response' : 'HTTP::Request';
        $self->{_parts} = [$class->parse($text)];
    }
    elsif ($type =~ m{\Amessage/}) {
        $self->{_parts} = [HTTP::Message->parse($self->content)];
    }
    $self->{_parts} ||= [];
    return;
}

# The content that the parts make.
sub _gather {
    my ($self) = @_;
    my $content = '';
    if (my $parts = $self->{_parts}) {
        if (($self->header('Content-Type') || '') =~ m{\A\s*message/}i) {
            $content = $parts->[0]->as_string($EOL) if @$parts;
        }
        else {
            $content = $self->_multipart($parts);
        }
    }
    if (ref $self->{_content} eq 'SCALAR') {
        ${ $self->{_content} } = $content;
    }
    else {
        $self->{_content} = $content;
    }
    return;
}

sub _multipart {
    my ($self, $parts) = @_;
    require HTTP::Headers::Util;
    my @words = HTTP::Headers::Util::split_header_words($self->header('Content-Type'));
    my ($index) = grep { lc $words[0][$_] eq 'boundary' } map { 2 * $_ } 1 .. @{ $words[0] } / 2 - 1;
    my @texts = map { $_->as_string($EOL) } @$parts;
    my $boundary = defined $index ? $words[0][$index + 1] : _boundary(0);
    my $strength = 0;
    $boundary = _boundary(++$strength) while grep { index($_, $boundary) >= 0 } @texts;
    if (defined $index) {
        $words[0][$index + 1] = $boundary;
    }
    else {
        push @{ $words[0] }, boundary => $boundary;
    }
    $self->header('Content-Type' => HTTP::Headers::Util::join_header_words(@words));
    return "--$boundary$EOL" . join("$EOL--$boundary$EOL", @texts) . "$EOL--$boundary--$EOL";
}

sub _boundary {
    my ($strength) = @_;
    return 'xYzZY' if !$strength;
    require MIME::Base64;
    my $boundary = MIME::Base64::encode_base64(join('', map { chr rand 256 } 1 .. $strength * 3), '');
    $boundary =~ s/\W/X/g;
    return $boundary;
}

# --- As text

sub as_string {
    my ($self, $eol) = @_;
    $eol = "\n" if !defined $eol;
    # Gathering parts may say more in the headers.
    my $content = $self->content;
    return join '', $self->headers->as_string($eol), $eol, $content,
        @_ == 1 && length $content && $content !~ /\n\z/ ? "\n" : '';
}

sub dump {    ## no critic (ProhibitBuiltinHomonyms)
    my ($self, %options) = @_;
    my $content = $self->content;
    my $most = defined $options{maxlength} ? $options{maxlength} : 512;
    # A few bytes more are shown rather than counted; 0 is no limit.
    my $left = $most > 0 ? length($content) - $most : 0;
    $content = substr $content, 0, $most if $left > 8;
    my $nothing = defined $options{no_content} ? $options{no_content} : '(no content)';
    $content =~ s/\\/\\\\/g;
    $content =~ s/\t/\\t/g;
    $content =~ s/\r/\\r/g;
    # In octal where no digit follows.
    $content =~ s/([\x00-\x08\x0b-\x1f])(?![0-9])/sprintf '\\%o', ord $1/ge;
    $content =~ s/([\x00-\x08\x0b-\x1f\x7f-\xff])/sprintf '\\x%02X', ord $1/ge;
    if ($left > 8) {
        $content .= "...\n(+ $left more bytes not shown)";
    }
    else {
        # Line ends at the end would not be seen.
        $content =~ s/(\n+)\z/'\\n' x length $1/e;
    }
    if (!length $content) {
        $content = $nothing;
    }
    elsif ($content eq $nothing) {
        # Content that says the same is told apart.
        $content =~ s/\A(.)/sprintf '\\x%02X', ord $1/es;
    }
    my $prefix = defined $options{prefix} ? $options{prefix} : '';
    my @head = $options{preheader} ? "$options{preheader}\n" : ();
    my $text = join '', @head, $self->headers->as_string, "\n", $content, "\n";
    $text =~ s/^/$prefix/gm if length $prefix;
    return $text if defined wantarray;
    print $text;
    return;
}

# Everything else is the headers', under the same names.
sub _of_headers {
    my ($method) = @_;
    return if !defined $method || $method !~ /\A[A-Za-z_]\w*\z/ || !HTTP::Headers->can($method);
    my $code = sub { my $message = shift; return $message->{_headers}->$method(@_) };
    ## no critic (ProhibitNoStrict)
    no strict 'refs';
    *{ __PACKAGE__ . "::$method" } = $code;
    return $code;
}

sub can {    ## no critic (ProhibitBuiltinHomonyms)
    my ($self, $method) = @_;
    return $self->SUPER::can($method) || _of_headers($method);
}

sub AUTOLOAD {
    (my $method = $AUTOLOAD) =~ s/.*:://;
    return if $method eq 'DESTROY';
    my $class = ref $_[0] || $_[0];
    my $code = _of_headers($method) or Carp::croak(qq(Can't locate object method "$method" via package "$class"));
    goto &$code;
}

sub DESTROY { return }

1;

__END__

=encoding utf8

=head1 NAME

HTTP::Message - a stand-in for HTTP::Message, core Perl only

=head1 DESCRIPTION

The interface is the original's (L<https://metacpan.org/pod/HTTP::Message>).

=head1 METHODS

C<new>, C<parse>, C<clone>, C<clear>, C<protocol>, C<headers>, C<headers_as_string>, C<content>, C<add_content>, C<add_content_utf8>,
C<content_ref>, C<content_charset>, C<decoded_content>, C<decodable>, C<decode>, C<encode>, C<parts>, C<add_part>, C<as_string>, C<dump>, and
all of L<HTTP::Headers>: as in the original.

=head1 WHAT DIFFERS

C<decodable> names C<gzip>, C<deflate> and C<x-bzip2> where the core modules for them are installed; C<br> and C<compress> are not
known. C<encode> knows C<gzip>, C<deflate>, C<base64>.

=cut
