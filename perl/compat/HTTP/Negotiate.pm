package HTTP::Negotiate;

# A stand-in for HTTP::Negotiate: which variant of a document a request likes best. Its rules are those of a draft of HTTP/1.1, not of
# RFC 9110: they are what scripts count on.

use strict;
use warnings;

use Exporter ();
use HTTP::Headers ();

our $VERSION = '6.01';
our @ISA = ('Exporter');
our @EXPORT = qw(choose);
our $DEBUG = 0;

# The original's prototype: what stands behind the request in a list of arguments is not for choose.
sub choose ($;$) {
    my ($variants, $request) = @_;
    my $accept = _accepted(defined $request ? $request : _headers_of_cgi());
    my $some_have_languages = grep { $_->[5] } @$variants;
    my @judged;
    for my $variant (@$variants) {
        my ($id, $quality_of_source, $type, $encodings, $charset, $languages, $size) = @$variant;
        $size = 0 if !defined $size;
        my ($of_type, $largest) = _of_type($accept->{type}, $type);
        my %quality = (
            source   => defined $quality_of_source ? $quality_of_source : 1,
            type     => $of_type,
            encoding => _of_encodings($accept->{encoding}, $encodings),
            charset  => _of_charset($accept->{charset}, $charset),
            language => _of_languages($accept->{language}, $languages, $some_have_languages),
        );
        # What a script or a request gives as a number need not be one; such a thing counts as far as it is.
        no warnings 'numeric';
        my $quality = 1;
        $quality *= $_ for @quality{qw(source encoding charset language type)};
        $quality = 0 if defined $largest && $largest < $size;
        print "$id: $quality (", join(', ', map { "$_ $quality{$_}" } sort keys %quality), ", size $size)\n" if $DEBUG;
        push @judged, [$id, $quality, $size];
    }
    {
        no warnings 'numeric';
        @judged = sort { $b->[1] <=> $a->[1] || $a->[2] <=> $b->[2] } @judged;
    }
    return @judged if wantarray;
    return @judged && $judged[0][1] != 0 ? $judged[0][0] : undef;
}

sub _headers_of_cgi {
    my $headers = HTTP::Headers->new;
    for my $name (qw(Accept Accept-Charset Accept-Encoding Accept-Language)) {
        (my $variable = uc "HTTP_$name") =~ tr/-/_/;
        $headers->header($name => $ENV{$variable}) if $ENV{$variable};
    }
    return $headers;
}

# For each kind (type, charset, encoding, language) what is accepted, in its order: [name, parameters, which always have a q]. Of a name that
# is there several times the last one counts. A kind that the request does not mention is not there.
sub _accepted {
    my ($request) = @_;
    my (%accept, %place);
    $request->scan(
        sub {
            my ($field, $value) = @_;
            $field =~ /\AAccept(?:-(.+))?\z/s or return;
            my $kind = defined $1 ? lc $1 : 'type';
            $value =~ s/\s+//g;
            my $quality = 1;
            for my $element (split /,/, $value) {
                my ($name, @parameters) = split /;/, $element;
                $name = defined $name ? lc $name : '';
                my %parameters;
                for my $parameter (@parameters) {
                    my ($key, $its) = split /=/, $parameter, 2;
                    $parameters{ defined $key ? lc $key : '' } = $its;
                }
                if (defined $parameters{q}) {
                    no warnings 'numeric';
                    $parameters{q} = $parameters{q} > 1 ? 1 : $parameters{q} < 0 ? 0 : $parameters{q};
                }
                else {
                    # Of those that say nothing the first one is liked a little better.
                    $parameters{q} = $quality;
                    $quality -= 0.0001;
                }
                my $place = exists $place{$kind}{$name} ? $place{$kind}{$name} : scalar @{ $accept{$kind} ||= [] };
                $accept{$kind}[$place] = [$name, \%parameters];
                $place{$kind}{$name} = $place;
            }
        }
    );
    return \%accept;
}

sub _of_encodings {
    my ($accepted, $encodings) = @_;
    return 1 if !$accepted || !$encodings;
    my %accepted = map { $_->[0] => 1 } @$accepted;
    return (grep { !$accepted{$_} } ref $encodings ? @$encodings : $encodings) ? 0 : 1;
}

sub _of_charset {
    my ($accepted, $charset) = @_;
    return 1 if !$accepted || !$charset || $charset eq 'us-ascii';
    return (grep { $_->[0] eq $charset } @$accepted) ? 1 : 0;
}

sub _of_languages {
    my ($accepted, $languages, $some_have) = @_;
    return 1 if !$accepted;
    # A variant without a language may be in any, so it is liked half if there are others that say theirs.
    return $some_have ? 0.5 : 1 if !$languages;
    my @languages = map { lc } ref $languages ? @$languages : $languages;
    my ($best, $longest);
    no warnings 'numeric';
    for my $each (@$accepted) {
        my ($name, $parameters) = @$each;
        next if !grep { $_ eq $name } @languages;
        $best = $parameters->{q} if !defined $best || $parameters->{q} > $best;
    }
    return $best if defined $best;
    # Who asks for English as it is spoken somewhere is content with English.
    for my $each (@$accepted) {
        my ($name, $parameters) = @$each;
        next if !grep { index($name, "$_-") == 0 } @languages;
        ($best, $longest) = ($parameters->{q}, length $name) if !defined $longest || length $name > $longest;
    }
    return defined $best ? $best : 0.001;
}

# The quality of a media type, and how large a variant of it may be.
sub _of_type {
    my ($accepted, $type) = @_;
    return 1 if !$accepted || !$type;
    $type =~ s/\s+//g;
    my ($name, @parameters) = split /;/, $type;
    my ($major, $minor) = _parts($name);
    my %parameters;
    for my $parameter (@parameters) {
        my ($key, $its) = split /=/, $parameter, 2;
        $parameters{$key} = $its if defined $key;
    }
    my ($best, $most_specific);
    for my $range (@$accepted) {
        my ($its_name, $its) = @$range;
        my ($its_major, $its_minor) = _parts($its_name);
        next if $its_major ne '*' && $its_major ne $major || $its_minor ne '*' && $its_minor ne $minor;
        # What the range says of a parameter has to be so; what it does not say does not count.
        my @common = grep { exists $its->{$_} } keys %parameters;
        next if grep { _text($its->{$_}) ne _text($parameters{$_}) } @common;
        my $specific = @common + grep { $_ ne '*' } $its_major, $its_minor;
        ($best, $most_specific) = ($its, $specific) if !$best || $specific > $most_specific;
    }
    return 0 if !$best;
    return ($best->{q}, $best->{mbx});
}

sub _parts {
    my ($name) = @_;
    my ($major, $minor) = split m{/}, _text($name), 2;
    return (_text($major), _text($minor));
}

sub _text { return defined $_[0] ? $_[0] : '' }

1;

__END__

=encoding utf8

=head1 NAME

HTTP::Negotiate - a stand-in for HTTP::Negotiate, core Perl only

=head1 SYNOPSIS

    use HTTP::Negotiate qw(choose);

    #             id       quality  type          encoding  charset       language  size
    my $variants = [
                  ['page', 1.000,   'text/html',  undef,    'iso-8859-1', 'en',     3000],
                  ['text', 0.950,   'text/plain', 'gzip',   'us-ascii',   'no',     400],
    ];
    my @by_preference = choose($variants, $request);
    my $best          = choose($variants);

=head1 FUNCTIONS

=head2 choose

What of C<$variants> the request, an HTTP::Request or HTTP::Headers, likes best by its C<Accept> headers; without a request, what the
variables of CGI say. As in the original (L<https://metacpan.org/pod/HTTP::Negotiate>): a list of C<[id, quality, size]>, best first, those of
quality 0 included; as a scalar the best one's id, or C<undef> if none has a quality.

=head1 DIFFERENCES

=over 4

=item *

Several languages of a variant, as a reference to an array, count as the original's manual has it. In the original's code such a variant is
in no language.

=item *

Among ranges that are equally specific, C<text/*> and C<*/html>, or C<en-gb> and C<en-us> for C<en>, the request's first one counts. In the
original it is one by chance.

=item *

With C<$HTTP::Negotiate::DEBUG> a line for each variant is printed.

=back

=cut
