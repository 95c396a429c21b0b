package HTML::Entities;

# A stand-in for HTML::Entities (as of 3.86), in Perl alone: most strings are short.

use strict;
use warnings;

use Exporter ();
use Scalar::Util ();

our $VERSION   = '3.86';
our @ISA       = ('Exporter');
our @EXPORT    = qw(encode_entities decode_entities _decode_entities);
our @EXPORT_OK = qw(%entity2char %char2entity encode_entities_numeric);

our (%entity2char, %char2entity);

# Names of HTML 4 (W3C, HTML 4.01, section 24): those of Latin-1 from 160 on, which need no `;`, and others with their code points.
my @LATIN1 = qw(
    nbsp iexcl cent pound curren yen brvbar sect uml copy ordf laquo not shy reg macr deg plusmn sup2 sup3 acute micro para middot
    cedil sup1 ordm raquo frac14 frac12 frac34 iquest Agrave Aacute Acirc Atilde Auml Aring AElig Ccedil Egrave Eacute Ecirc Euml
    Igrave Iacute Icirc Iuml ETH Ntilde Ograve Oacute Ocirc Otilde Ouml times Oslash Ugrave Uacute Ucirc Uuml Yacute THORN szlig
    agrave aacute acirc atilde auml aring aelig ccedil egrave eacute ecirc euml igrave iacute icirc iuml eth ntilde ograve oacute
    ocirc otilde ouml divide oslash ugrave uacute ucirc uuml yacute thorn yuml
);
my %OTHER = qw(
    Alpha 391 Beta 392 Chi 3a7 Dagger 2021 Delta 394 Epsilon 395 Eta 397 Gamma 393 Iota 399 Kappa 39a Lambda 39b Mu 39c Nu 39d
    OElig 152 Omega 3a9 Omicron 39f Phi 3a6 Pi 3a0 Prime 2033 Psi 3a8 Rho 3a1 Scaron 160 Sigma 3a3 Tau 3a4 Theta 398 Upsilon 3a5
    Xi 39e Yuml 178 Zeta 396 alefsym 2135 alpha 3b1 and 2227 ang 2220 asymp 2248 bdquo 201e beta 3b2 bull 2022 cap 2229 chi 3c7
    circ 2c6 clubs 2663 cong 2245 crarr 21b5 cup 222a dArr 21d3 dagger 2020 darr 2193 delta 3b4 diams 2666 empty 2205 emsp 2003
    ensp 2002 epsilon 3b5 equiv 2261 eta 3b7 euro 20ac exist 2203 fnof 192 forall 2200 frasl 2044 gamma 3b3 ge 2265 hArr 21d4 harr
    2194 hearts 2665 hellip 2026 image 2111 infin 221e int 222b iota 3b9 isin 2208 kappa 3ba lArr 21d0 lambda 3bb lang 2329 larr
    2190 lceil 2308 ldquo 201c le 2264 lfloor 230a lowast 2217 loz 25ca lrm 200e lsaquo 2039 lsquo 2018 mdash 2014 minus 2212 mu
    3bc nabla 2207 ndash 2013 ne 2260 ni 220b notin 2209 nsub 2284 nu 3bd oelig 153 oline 203e omega 3c9 omicron 3bf oplus 2295 or
    2228 otimes 2297 part 2202 permil 2030 perp 22a5 phi 3c6 pi 3c0 piv 3d6 prime 2032 prod 220f prop 221d psi 3c8 rArr 21d2 radic
    221a rang 232a rarr 2192 rceil 2309 rdquo 201d real 211c rfloor 230b rho 3c1 rlm 200f rsaquo 203a rsquo 2019 sbquo 201a scaron
    161 sdot 22c5 sigma 3c3 sigmaf 3c2 sim 223c spades 2660 sub 2282 sube 2286 sum 2211 sup 2283 supe 2287 tau 3c4 there4 2234
    theta 3b8 thetasym 3d1 thinsp 2009 tilde 2dc trade 2122 uArr 21d1 uarr 2191 upsih 3d2 upsilon 3c5 weierp 2118 xi 3be zeta 3b6
    zwj 200d zwnj 200c
);
%entity2char = (
    amp => '&', gt => '>', lt => '<', quot => '"', apos => "'",
    (map { $LATIN1[$_] => chr(160 + $_) } 0 .. $#LATIN1),
    (map { ("$_;" => chr hex $OTHER{$_}) } keys %OTHER),
);
for my $name (grep { $_ ne 'apos' } keys %entity2char) {
    (my $bare = $name) =~ s/;\z//;
    $char2entity{ $entity2char{$name} } = "&$bare;";
}
$char2entity{ chr $_ } ||= "&#$_;" for 0 .. 255;

# As they are made here, which is as the broker has them.
my $MADE = join "\0", %entity2char;

sub Version          { return $VERSION }
sub UNICODE_SUPPORT () { return 1 }

# What a script has made of %entity2char, as pairs; nothing where that is as ever.
sub own {
    return if $MADE eq join "\0", map { defined ? $_ : '' } %entity2char;
    return [map { [$_, defined $entity2char{$_} ? "$entity2char{$_}" : ''] } keys %entity2char];
}

# --- Decoding

# Numbers of the first and the second half of a pair of UTF-16.
my $HIGH = qr/(?:[xX]0*([dD][89abAB][0-9a-fA-F]{2})(?![0-9a-fA-F])|0*(5529[6-9]|55[3-9][0-9]{2}|56[0-2][0-9]{2}|563[01][0-9])(?![0-9]))/;
my $LOW = qr/(?:[xX]0*([dD][c-fC-F][0-9a-fA-F]{2})(?![0-9a-fA-F])|0*(563[2-9][0-9]|56[4-9][0-9]{2}|57[0-2][0-9]{2}|573[0-3][0-9]|5734[0-3])(?![0-9]))/;

# All arguments in their places, where nobody wants the result.
sub decode_entities {
    if (!defined wantarray) {
        for (@_) {
            _refuse_readonly($_, 'decode_entities');
            _decode($_, \%entity2char, 0);
        }
        return;
    }
    my @copies = wantarray ? @_ : @_ ? $_[0] : ();
    _decode($_, \%entity2char, 0) for @copies;
    return wantarray ? @copies : $copies[0];
}

sub _decode_entities {
    my (undef, $names, $expands_beginnings) = @_;
    if (defined $names && (!ref $names || Scalar::Util::reftype($names) ne 'HASH')) {
        require Carp;
        Carp::croak('2nd argument must be hash reference');
    }
    _refuse_readonly($_[0], '_decode_entities');
    _decode($_[0], $names || {}, $expands_beginnings);
    return;
}

sub _refuse_readonly {
    return if !Scalar::Util::readonly($_[0]);
    require Carp;
    return Carp::croak("Can't inline decode readonly string in $_[1]()");
}

# In its place. What stands for nothing is left as it is.
sub _decode {
    my (undef, $names, $expands_beginnings) = @_;
    return $_[0] = '' if !defined $_[0];
    $_[0] = "$_[0]" if ref $_[0];
    return if index($_[0], '&') < 0;
    # Two halves of a pair of UTF-16, one behind the other, stand for one character.
    $_[0] =~ s/&#$HIGH;?&#$LOW;?/'&#' . (0x10000 + (_half($1, $2) - 0xd800 << 10) + _half($3, $4) - 0xdc00) . ';'/ge
        if index($_[0], '&#') >= 0 && $_[0] =~ /&#$HIGH;?&#$LOW/;
    $_[0] =~ s{&(?:\#(?:[xX]([0-9a-fA-F]+)|([0-9]+));?|([0-9A-Za-z]+)(;?))}{
        my ($found, $name, $end) = ($&, $3, $4);
        my $value
            = !defined $name          ? _numbered(defined $1 ? hex _significant($1) : _significant($2))
            : exists $names->{$name}  ? $names->{$name}
            : length $end && exists $names->{"$name;"} ? $names->{"$name;"}
            : $expands_beginnings     ? _begun($names, $name, $end)
            :                           undef;
        defined $value ? $value : $found;
    }ge;
    return;
}

sub _half { return defined $_[0] ? hex $_[0] : $_[1] }

# The digits that count; of more than any character's number has, a number that is none.
sub _significant {
    my ($digits) = @_;
    $digits =~ s/\A0+//;
    return length $digits > 7 ? '99999999' : length $digits ? $digits : '0';
}

sub _numbered {
    my ($number) = @_;
    return if $number == 0 || $number > 0x10ffff || $number == 0xfffe || $number == 0xffff;
    my $is_none = $number >= 0xd800 && $number <= 0xdfff || $number >= 0xfdd0 && $number <= 0xfdef || ($number & 0xfffe) == 0xfffe;
    return chr($is_none ? 0xfffd : $number);
}

# A name that begins with one, the longest, which needs no `;`.
sub _begun {
    my ($names, $name, $end) = @_;
    my $longest = 0;
    for (keys %$names) { $longest = length if length > $longest }
    for my $length (reverse 1 .. (length $name > $longest ? $longest : length($name) - 1)) {
        my $beginning = substr $name, 0, $length;
        return $names->{$beginning} . substr($name, $length) . $end if exists $names->{$beginning};
    }
    return;
}

# --- Encoding

# Patterns of characters that scripts have asked for.
my %UNSAFE;

sub encode_entities {
    return undef if !defined $_[0];    ## no critic (ProhibitExplicitReturnUndef)
    my $unsafe = defined $_[1] && length $_[1] ? $UNSAFE{ $_[1] } ||= _class($_[1]) : qr/([^\n\r\t !\#\$%\(-;=?-~])/;
    if (!defined wantarray) {
        $_[0] =~ s/$unsafe/$char2entity{$1} || num_entity($1)/ge;
        return;
    }
    my $copy = $_[0];
    $copy =~ s/$unsafe/$char2entity{$1} || num_entity($1)/ge;
    return $copy;
}

# A pattern of the characters of a class, in which what is special needs no backslash.
sub _class {
    my ($given) = @_;
    my $class = $given;
    $class =~ s/(\\.|\[:\^?[[:lower:][:digit:]]{3,}:\])|([\[\]\\])/defined $1 ? $1 : "\\$2"/gse;
    my $before = $@;
    my $pattern = eval { qr/([$class])/ };
    if (!$pattern) {
        require Carp;
        Carp::croak("$@ while trying to turn range: \"$given\"\n into code: /([$class])/\n ");
    }
    $@ = $before;
    # A script may make them of its data.
    %UNSAFE = () if keys %UNSAFE > 1000;
    return $pattern;
}

sub encode_entities_numeric {
    local %char2entity;
    return &encode_entities;
}

sub num_entity { return sprintf '&#x%X;', ord $_[0] }

# Whether bytes are likely UTF-8 that nobody has decoded: some above ASCII, and nothing else above it. A character that the end cuts does not
# count.
sub _probably_utf8_chunk {
    my ($bytes) = @_;
    if (!utf8::downgrade($bytes, 1)) {
        require Carp;
        Carp::croak('Wide character in HTML::Entities::_probably_utf8_chunk');
    }
    $bytes =~ s/(?:[\xc2-\xdf]|[\xe0-\xef][\x80-\xbf]?|[\xf0-\xf7][\x80-\xbf]{0,2})\z//;
    return $bytes =~ /[\x80-\xff]/ && utf8::decode($bytes) ? 1 : '';
}

{
    no warnings 'once';
    *encode             = \&encode_entities;
    *encode_numeric     = \&encode_entities_numeric;
    *encode_numerically = \&encode_entities_numeric;
    *decode             = \&decode_entities;
}

1;
