package HTTP::Response;

# A stand-in for HTTP::Response 6.x, written from the original's documentation.

use strict;
use warnings;

use HTTP::Message ();
use HTTP::Status  ();

our $VERSION = '6.44';
our @ISA = ('HTTP::Message');

sub new {
    my ($class, $code, $message, $headers, $content) = @_;
    my $self = $class->SUPER::new($headers, $content);
    $self->code($code);
    $self->message($message);
    return $self;
}

sub parse {
    my ($class, $text) = @_;
    if (!defined $text) {
        if ($^W) {
            require Carp;
            Carp::carp('Undefined argument to parse()');
        }
        $text = '';
    }
    my $line = $text =~ s/\A(.*)\n// ? $1 : do { my $all = $text; $text = ''; $all };
    my $self = $class->SUPER::parse($text);
    $line =~ s/\r\z//;
    my ($protocol, $code, $message) = $line =~ /\A\d{3} / ? (undef, split ' ', $line, 2) : split ' ', $line, 3;
    $self->protocol($protocol) if $protocol;
    $self->code($code)         if defined $code;
    $self->message($message)   if defined $message;
    return $self;
}

sub clone {
    my ($self) = @_;
    my $clone = bless $self->SUPER::clone, ref $self;
    $clone->code($self->code);
    $clone->message($self->message);
    $clone->request($self->request->clone) if $self->request;
    return $clone;
}

sub code     { my $self = shift; return $self->_elem('_rc',       @_) }
sub message  { my $self = shift; return $self->_elem('_msg',      @_) }
sub previous { my $self = shift; return $self->_elem('_previous', @_) }
sub request  { my $self = shift; return $self->_elem('_request',  @_) }

sub status_line {
    my ($self) = @_;
    my $code = $self->{_rc} || '000';
    my $message = $self->{_msg} || HTTP::Status::status_message($code) || 'Unknown code';
    return "$code $message";
}

sub base {
    my ($self) = @_;
    my ($base) = map { ($self->header($_))[0] || () } qw(Content-Base Base);
    my $request_uri = $self->request ? $self->request->uri : undef;
    if (defined $base && $base =~ /\A[A-Za-z][\w.+-]*:/) {
        require URI;
        return URI->new($base);
    }
    return undef if !defined $request_uri;    ## no critic (ProhibitExplicitReturnUndef)
    require URI;
    return URI->new_abs(defined $base ? $base : '', $request_uri) if defined $base;
    return URI->new_abs($request_uri, $request_uri);
}

sub redirects {
    my ($self) = @_;
    my @previous;
    my $response = $self;
    while (my $earlier = $response->previous) {
        unshift @previous, $earlier;
        $response = $earlier;
    }
    return @previous;
}

sub filename {
    my ($self) = @_;
    my $file;
    if (my $disposition = $self->header('Content-Disposition')) {
        require HTTP::Headers::Util;
        if (my ($words) = HTTP::Headers::Util::split_header_words($disposition)) {
            my (undef, undef, %parameter) = @$words;
            $file = $parameter{filename};
            $file = _mime_words($file) if defined $file && $file =~ /=\?/;
        }
    }
    my $given = $file;
    if (!defined $file || !length $file) {
        my ($uri) = map { my $value = $self->header($_); defined $value && length $value ? $value : () } 'Content-Location';
        $uri = $self->request->uri if !defined $uri && $self->request;
        if (defined $uri) {
            require URI;
            my $path = URI->new("$uri")->can('path') ? URI->new("$uri")->path : '';
            ($file) = $path =~ m{([^/]+)/?\z};
        }
    }
    return $given if !defined $file;
    # A name, not a way: nothing that a server says leads to another directory.
    $file =~ s{.*[/\\]}{};
    return length $file && $file !~ /\A\.+\z/ ? $file : defined $given && !length $given ? '' : undef;
}

# RFC 2047.
sub _mime_words {
    my ($text) = @_;
    require Encode;
    my $decoded = eval { Encode::decode('MIME-Header', $text) };
    return defined $decoded ? $decoded : $text;
}

sub as_string {
    my ($self, $eol) = @_;
    $eol = "\n" if !defined $eol;
    my $line = $self->status_line;
    my $protocol = $self->protocol;
    $line = "$protocol $line" if $protocol;
    return join $eol, $line, $self->SUPER::as_string(@_[1 .. $#_]);
}

sub dump {    ## no critic (ProhibitBuiltinHomonyms)
    my ($self, @options) = @_;
    my $line = $self->status_line;
    my $protocol = $self->protocol;
    $line = "$protocol $line" if $protocol;
    return $self->SUPER::dump(preheader => $line, @options);
}

sub is_info         { return HTTP::Status::is_info($_[0]->{_rc}) }
sub is_success      { return HTTP::Status::is_success($_[0]->{_rc}) }
sub is_redirect     { return HTTP::Status::is_redirect($_[0]->{_rc}) }
sub is_error        { return HTTP::Status::is_error($_[0]->{_rc}) }
sub is_client_error { return HTTP::Status::is_client_error($_[0]->{_rc}) }
sub is_server_error { return HTTP::Status::is_server_error($_[0]->{_rc}) }

sub error_as_HTML {
    my ($self) = @_;
    my $title = 'An Error Occurred';
    my $body = $self->status_line;
    $body =~ s/&/&amp;/g;
    $body =~ s/</&lt;/g;
    return <<"HTML";
<html>
<head><title>$title</title></head>
<body>
<h1>$title</h1>
<p>$body</p>
</body>
</html>
HTML
}

# --- Age (RFC 9111, 4.2)

sub current_age {
    my ($self, $time) = @_;
    my ($date, $age) = ($self->client_date || $self->date, 0);
    my $given = $self->date;
    my $received = $self->client_date;
    $age = $received - $given if defined $received && defined $given && $received > $given;
    my $header = $self->header('Age');
    $age = $header if defined $header && $header > $age;
    # How long it was on its way, at most.
    if (my $request = $self->request) {
        my $asked = $request->date;
        $age += $received - $asked if defined $asked && defined $received;
    }
    $age += (defined $time ? $time : time) - $received if defined $received;
    return $age < 0 ? 0 : $age;
}

sub freshness_lifetime {
    my ($self, %options) = @_;
    for my $header ($self->header('Cache-Control')) {
        for my $directive (split /\s*,\s*/, $header) {
            return $1 if $directive =~ /\Amax-age\s*=\s*(\d+)/i;
        }
    }
    my $date = $self->date || $self->client_date || $options{time} || time;
    if (my $expires = $self->expires) {
        return $expires - $date;
    }
    return undef if exists $options{heuristic_expiry} && !$options{heuristic_expiry};    ## no critic (ProhibitExplicitReturnUndef)
    $options{h_min}          = 60        if !defined $options{h_min};
    $options{h_max}          = 24 * 3600 if !defined $options{h_max};
    $options{h_lastmod_fraction} = 0.10  if !defined $options{h_lastmod_fraction};
    $options{h_default}      = 3600      if !defined $options{h_default};
    if (my $changed = $self->last_modified) {
        my $lifetime = ($date - $changed) * $options{h_lastmod_fraction};
        return $options{h_min} if $lifetime < $options{h_min};
        return $options{h_max} if $lifetime > $options{h_max};
        return $lifetime;
    }
    return $options{h_min} if defined $self->{_rc} && ($self->is_redirect || !$self->is_success);
    return $options{h_default} < $options{h_min} ? $options{h_min} : $options{h_default};
}

sub is_fresh {
    my ($self, %options) = @_;
    $options{time} ||= time;
    my $lifetime = $self->freshness_lifetime(%options);
    return undef if !defined $lifetime;    ## no critic (ProhibitExplicitReturnUndef)
    return $lifetime > $self->current_age($options{time});
}

sub fresh_until {
    my ($self, %options) = @_;
    $options{time} ||= time;
    my $lifetime = $self->freshness_lifetime(%options);
    return undef if !defined $lifetime;    ## no critic (ProhibitExplicitReturnUndef)
    return $lifetime - $self->current_age($options{time}) + $options{time};
}

1;

__END__

=encoding utf8

=head1 NAME

HTTP::Response - a stand-in for HTTP::Response, core Perl only

=head1 METHODS

C<new>, C<parse>, C<clone>, C<code>, C<message>, C<status_line>, C<request>, C<previous>, C<redirects>, C<base>, C<filename>, C<as_string>, C<dump>,
C<is_info>, C<is_success>, C<is_redirect>, C<is_error>, C<is_client_error>, C<is_server_error>, C<error_as_HTML>, C<current_age>,
C<freshness_lifetime>, C<is_fresh>, C<fresh_until>, and those of L<HTTP::Message>: as in the original
(L<https://metacpan.org/pod/HTTP::Response>). C<filename> never gives a name with a directory in it.

=cut
