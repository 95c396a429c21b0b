package HTTP::Status;

# A stand-in for HTTP::Status: the codes that IANA has registered (RFC 9110, 15 and others).

use strict;
use warnings;

use Exporter ();

our $VERSION = '6.44';
our @ISA = ('Exporter');
our (@EXPORT, @EXPORT_OK, %EXPORT_TAGS);

my %MESSAGE = (
    100 => 'Continue',
    101 => 'Switching Protocols',
    102 => 'Processing',
    103 => 'Early Hints',
    200 => 'OK',
    201 => 'Created',
    202 => 'Accepted',
    203 => 'Non-Authoritative Information',
    204 => 'No Content',
    205 => 'Reset Content',
    206 => 'Partial Content',
    207 => 'Multi-Status',
    208 => 'Already Reported',
    226 => 'IM Used',
    300 => 'Multiple Choices',
    301 => 'Moved Permanently',
    302 => 'Found',
    303 => 'See Other',
    304 => 'Not Modified',
    305 => 'Use Proxy',
    307 => 'Temporary Redirect',
    308 => 'Permanent Redirect',
    400 => 'Bad Request',
    401 => 'Unauthorized',
    402 => 'Payment Required',
    403 => 'Forbidden',
    404 => 'Not Found',
    405 => 'Method Not Allowed',
    406 => 'Not Acceptable',
    407 => 'Proxy Authentication Required',
    408 => 'Request Timeout',
    409 => 'Conflict',
    410 => 'Gone',
    411 => 'Length Required',
    412 => 'Precondition Failed',
    413 => 'Payload Too Large',
    414 => 'URI Too Long',
    415 => 'Unsupported Media Type',
    416 => 'Range Not Satisfiable',
    417 => 'Expectation Failed',
    418 => "I'm a teapot",
    421 => 'Misdirected Request',
    422 => 'Unprocessable Entity',
    423 => 'Locked',
    424 => 'Failed Dependency',
    425 => 'Too Early',
    426 => 'Upgrade Required',
    428 => 'Precondition Required',
    429 => 'Too Many Requests',
    431 => 'Request Header Fields Too Large',
    449 => 'Retry with',
    451 => 'Unavailable For Legal Reasons',
    500 => 'Internal Server Error',
    501 => 'Not Implemented',
    502 => 'Bad Gateway',
    503 => 'Service Unavailable',
    504 => 'Gateway Timeout',
    505 => 'HTTP Version Not Supported',
    506 => 'Variant Also Negotiates',
    507 => 'Insufficient Storage',
    508 => 'Loop Detected',
    509 => 'Bandwidth Limit Exceeded',
    510 => 'Not Extended',
    511 => 'Network Authentication Required',
);
# Names of older standards that scripts use.
my %ALSO = (
    HTTP_REQUEST_ENTITY_TOO_LARGE        => 413,
    HTTP_REQUEST_URI_TOO_LARGE           => 414,
    HTTP_REQUEST_RANGE_NOT_SATISFIABLE   => 416,
    HTTP_UNORDERED_COLLECTION            => 425,
    HTTP_NO_CODE                         => 425,
);

my %NAME;
{
    my %constant = %ALSO;
    for my $code (sort keys %MESSAGE) {
        my $name = uc $MESSAGE{$code};
        $name =~ s/I'M/I_AM/;
        $name =~ tr/- /__/;
        $NAME{$code} = "HTTP_$name";
        $constant{"HTTP_$name"} = $code;
    }
    ## no critic (ProhibitNoStrict)
    no strict 'refs';
    for my $name (sort keys %constant) {
        my $code = $constant{$name};
        *{$name} = sub () { $code };
        push @EXPORT_OK, $name;
        (my $old = $name) =~ s/\AHTTP_/RC_/;
        *{$old} = sub () { $code };
        push @EXPORT, $old;
    }
    # As the name was before RFC 2616.
    my $old = 'RC_MOVED_TEMPORARILY';
    *{$old} = sub () { 302 };
    push @EXPORT, $old;
}

push @EXPORT, qw(status_message is_info is_success is_redirect is_error);
push @EXPORT_OK, qw(is_client_error is_server_error is_cacheable_by_default status_constant_name status_codes);
%EXPORT_TAGS = (
    constants => [grep { /\AHTTP_/ } @EXPORT_OK],
    is        => [grep { /\Ais_/ } @EXPORT, @EXPORT_OK],
);

sub status_message       { return $MESSAGE{ $_[0] } }
sub status_constant_name { return $NAME{ $_[0] } }
sub status_codes         { return %MESSAGE }

sub is_info         { return $_[0] && $_[0] >= 100 && $_[0] < 200 }
sub is_success      { return $_[0] && $_[0] >= 200 && $_[0] < 300 }
sub is_redirect     { return $_[0] && $_[0] >= 300 && $_[0] < 400 }
sub is_error        { return $_[0] && $_[0] >= 400 && $_[0] < 600 }
sub is_client_error { return $_[0] && $_[0] >= 400 && $_[0] < 500 }
sub is_server_error { return $_[0] && $_[0] >= 500 && $_[0] < 600 }

my %CACHEABLE = map { $_ => 1 } 200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 451, 501;
sub is_cacheable_by_default { return $CACHEABLE{ $_[0] || 0 } ? 1 : '' }

1;

__END__

=encoding utf8

=head1 NAME

HTTP::Status - a stand-in for HTTP::Status, core Perl only

=head1 DESCRIPTION

The constants C<RC_OK> and so on (exported), C<HTTP_OK> and so on (C<:constants>), C<status_message>, C<status_constant_name>,
C<status_codes>, C<is_info>, C<is_success>, C<is_redirect>, C<is_error>, C<is_client_error>, C<is_server_error>,
C<is_cacheable_by_default>: as in the original (L<https://metacpan.org/pod/HTTP::Status>).

=cut
