package JSON;

# A stand-in for JSON 4.11 over JSON::PP, which is core since Perl 5.14. Where the original takes JSON::XS if it is there, this never does.

use strict;
use warnings;

use Carp ();
use Exporter ();

our $VERSION = '4.11';
our @EXPORT  = qw(from_json to_json jsonToObj objToJson encode_json decode_json);
our $DEBUG   = exists $ENV{PERL_JSON_DEBUG} ? $ENV{PERL_JSON_DEBUG} : 0;

# Set below; scripts look at them.
our ($Backend, $BackendModule, $BackendModulePP, $true, $false);

$Carp::Internal{$_} = 1 for qw(JSON JSON::Backend::PP);

{
    my $wanted = exists $ENV{PERL_JSON_BACKEND} ? $ENV{PERL_JSON_BACKEND} : 1;
    $wanted =~ s/\s+//g;
    # The first that is offered here; what the original brings of its own is this one as well.
    my @wanted = $wanted eq '1' ? 'JSON::PP' : $wanted eq '0' ? 'JSON::PP' : $wanted eq '2' ? 'JSON::XS' : split /,/, $wanted;
    for my $module (@wanted) {
        Carp::croak("The value of environmental variable 'PERL_JSON_BACKEND' is invalid.") if $module !~ /JSON::(?:XS|PP|backportPP)/;
    }
    Carp::croak("PERL_JSON_BACKEND asks for $wanted only: this JSON stands on JSON::PP, which is written in Perl")
        if !grep { /JSON::(?:PP|backportPP)\z/ } @wanted;
    eval { require JSON::PP; 1 }
        or Carp::croak("JSON needs JSON::PP, which is part of Perl since 5.14 and is not here (Perl $]): $@");
}

my @PROPERTIES = (
    qw(ascii latin1 utf8 indent space_before space_after relaxed canonical allow_nonref allow_blessed convert_blessed shrink max_depth
        max_size allow_unknown),
    JSON::PP->can('allow_tags') ? 'allow_tags' : (),
);
my @PP_ONLY = qw(indent_length sort_by allow_singlequote allow_bignum loose allow_barekey escape_slash as_nonblessed);

{
    package    # not to be indexed
        JSON::Backend::PP;

    our @ISA     = ('JSON::PP');
    our $VERSION = JSON::PP->VERSION;

    # Whether a script has asked for -convert_blessed_universally.
    our $UNIVERSALLY;

    sub is_xs { return 0 }
    sub is_pp { return 1 }

    sub encode {
        my ($self, @values) = @_;
        return $self->SUPER::encode(@values) if !$UNIVERSALLY;
        no warnings qw(redefine once);
        local *UNIVERSAL::TO_JSON = \&_plain;
        return $self->SUPER::encode(@values);
    }

    # What an object is made of, if that is a hash or an array.
    sub _plain {
        my ($object) = @_;
        require Scalar::Util;
        my $kind = Scalar::Util::reftype($object) || '';
        return $kind eq 'HASH' ? {%$object} : $kind eq 'ARRAY' ? [@$object] : undef;
    }
}

our @ISA = qw(Exporter JSON::Backend::PP);
($Backend, $BackendModule, $BackendModulePP) = ('JSON::Backend::PP', 'JSON::PP', 'JSON::PP');
{
    no warnings 'once';
    ($true, $false) = ($JSON::PP::true, $JSON::PP::false);
    *encode_json = \&JSON::PP::encode_json;
    *decode_json = \&JSON::PP::decode_json;
    *is_bool     = \&JSON::PP::is_bool;
}
if (!JSON::PP->can('allow_tags')) {
    no strict 'refs';
    for my $method (qw(allow_tags get_allow_tags)) {
        *{$method} = sub { Carp::carp("$method is not supported by JSON::PP " . JSON::PP->VERSION); return $_[0] };
    }
}

sub import {
    my ($class, @given) = @_;
    my @names;
    my $no_export;
    for my $given (@given) {
        if ($given eq '-no_export') { $no_export = 1 }
        elsif ($given eq '-convert_blessed_universally') { $JSON::Backend::PP::UNIVERSALLY = 1 }
        # All of what JSON::PP alone can do is there.
        elsif ($given ne '-support_by_pp') { push @names, $given }
    }
    return if $no_export;
    return $class->export_to_level(1, $class, @names);
}

# --- Functions

sub to_json ($@) {    ## no critic (ProhibitSubroutinePrototypes)
    my ($value, $options) = @_;
    Carp::croak('to_json should not be called as a method.')
        if ref $value eq __PACKAGE__ || @_ > 2 && defined $value && $value eq __PACKAGE__;
    return _with(@_ == 2 ? $options : undef)->encode($value);
}

sub from_json ($@) {    ## no critic (ProhibitSubroutinePrototypes)
    my ($text, $options) = @_;
    Carp::croak('from_json should not be called as a method.') if ref $text eq __PACKAGE__ || defined $text && $text eq __PACKAGE__;
    return _with(@_ == 2 ? $options : undef)->decode($text);
}

sub _with {
    my ($options) = @_;
    my $json = __PACKAGE__->new;
    if (ref $options eq 'HASH') {
        $json->$_($options->{$_}) for keys %$options;
    }
    return $json;
}

# Of version 1, which the original warns of.
sub jsonToObj {
    my @arguments = @_;
    shift @arguments if _obsolete('jsonToObj', 'decode', 'from_json', @arguments);
    return _with($arguments[1])->decode($arguments[0]);
}

sub objToJson {
    my @arguments = @_;
    Carp::croak('to_json should not be called as a method.') if _obsolete('objToJson', 'encode', 'to_json', @arguments);
    return _with($arguments[1])->encode($arguments[0]);
}

# Warns, and says whether it was called as a method.
sub _obsolete {
    my ($name, $method, $function, $first) = @_;
    my $is_method = defined $first && UNIVERSAL::isa($first, __PACKAGE__);
    Carp::carp("'$name' will be obsoleted. Please use '" . ($is_method ? $method : $function) . "' instead.");
    return $is_method;
}

# --- What is true, false and nothing

sub true    { return $true }
sub false   { return $false }
sub boolean { return pop() ? $true : $false }
sub null    { return undef }    ## no critic (ProhibitExplicitReturnUndef)

# --- What it stands on

sub backend               { return $Backend }
sub is_xs                 { return 0 }
sub is_pp                 { return 1 }
sub require_xs_version    { return '2.34' }
sub pureperl_only_methods { return @PP_ONLY }

sub property {
    my ($self, @given) = @_;
    Carp::croak('property() can take only the option within 2 arguments.') if @given > 2;
    return { map { $_ => _property($self, $_) } @PROPERTIES } if !@given;
    my ($name, $value) = @given;
    return $self->$name($value) if @given == 2;
    return if !$self->can("get_$name");
    return _property($self, $name);
}

sub _property {
    my ($self, $name) = @_;
    my $get = "get_$name";
    my $value = $self->$get;
    # JSON::PP has 1 for no limit.
    return $name eq 'max_size' && $value == 1 ? 0 : $value;
}

1;
