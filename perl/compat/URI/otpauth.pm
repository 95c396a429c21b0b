package URI::otpauth;

# otpauth, the keys of one-time passwords as Google Authenticator has them. See URI.

use strict;
use warnings;

use Carp ();
use URI::Escape ();
use URI::Split ();
use URI::_generic ();

our $VERSION = '5.17';
our @ISA = ('URI::_generic');

# RFC 4648, 6, without padding.
my @DIGIT = ('A' .. 'Z', 2 .. 7);
my %VALUE = map { $DIGIT[$_] => $_ } 0 .. $#DIGIT;

sub _encode_base32 {
    my ($bytes) = @_;
    my $bits = unpack 'B*', $bytes;
    $bits .= '0' x (-length($bits) % 5);
    return join '', map { $DIGIT[oct "0b$_"] } $bits =~ /(.{5})/g;
}

sub _decode_base32 {
    my ($text) = @_;
    my $bits = join '', map { sprintf '%05b', $VALUE{$_} } grep { exists $VALUE{$_} } split //, uc $text;
    return pack 'B*', substr $bits, 0, 8 * int(length($bits) / 8);
}

sub new {
    my ($class, %args) = @_;
    Carp::croak('secret is a mandatory parameter for ' . __PACKAGE__) if !defined $args{secret};
    my $type = defined $args{type} ? $args{type} : 'totp';
    my $uri = $class->_init("otpauth://$type", 'otpauth');
    my $label = join ':', grep { defined } @args{qw(issuer account_name)};
    $label = $args{label} if defined $args{label};
    $uri->path("/$label") if length $label;
    $uri->query_form(map { defined $args{$_} ? ($_ => $_ eq 'secret' ? _encode_base32($args{secret}) : $args{$_}) : () }
        qw(secret issuer counter algorithm period digits));
    return $uri;
}

sub type { my $self = shift; return $self->authority(@_) }

sub label {
    my ($self, @value) = @_;
    my $old = $self->_label;
    my $issuer = $self->query_param('issuer');
    $self->path("/$value[0]") if @value;
    return undef if !defined $old;    ## no critic (ProhibitExplicitReturnUndef)
    return defined $issuer && $old !~ /:/ ? "$issuer:$old" : $old;
}

# As the path has it.
sub _label {
    my ($self) = @_;
    my $label = URI::Escape::uri_unescape($self->path);
    $label =~ s{\A/}{};
    return length $label ? $label : undef;
}

sub _label_parts {
    my ($self) = @_;
    my $label = $self->_label;
    return if !defined $label;
    return $label =~ /\A([^:]*):\s*(.*)\z/s ? ($1, $2) : (undef, $label);
}

sub account_name {
    my ($self, @value) = @_;
    my ($issuer, $old) = $self->_label_parts;
    $self->label(join ':', grep { defined } $issuer, $value[0]) if @value;
    return $old;
}

sub _parameter {
    my ($self, $name, @value) = @_;
    my $old = $self->query_param($name);
    if (@value) {
        defined $value[0] ? $self->query_param($name => $value[0]) : $self->query_param_delete($name);
    }
    return $old;
}

sub issuer {
    my ($self, @value) = @_;
    my ($of_label, $account) = $self->_label_parts;
    my $old = $self->_parameter('issuer', @value);
    $self->label(join ':', grep { defined } $value[0], $account) if @value;
    return defined $old ? $old : $of_label;
}

sub secret {
    my ($self, @value) = @_;
    my $old = $self->_parameter('secret', map { defined $_ ? _encode_base32($_) : undef } @value);
    return defined $old ? _decode_base32($old) : undef;
}

sub counter { my $self = shift; return $self->_parameter('counter', @_) }

sub algorithm { my $self = shift; my $old = $self->_parameter('algorithm', @_); return defined $old ? uc $old : 'SHA1' }
sub digits    { my $self = shift; my $old = $self->_parameter('digits',    @_); return defined $old ? $old    : 6 }
sub period    { my $self = shift; my $old = $self->_parameter('period',    @_); return defined $old ? $old    : 30 }

1;
