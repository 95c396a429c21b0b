package LWP::Protocol::HeadParser;

# What the head of an HTML page says becomes headers of the response: Title, Base, Link, X-Meta-*, and what it says in place of
# headers (HTML, http-equiv). Everything is bytes; an entity becomes its UTF-8.

use strict;
use warnings;

our $VERSION = '6.68';

my %ENTITY = (amp => '&', lt => '<', gt => '>', quot => '"', apos => "'", nbsp => "\xa0", copy => "\xa9", reg => "\xae",
    auml => "\xe4", ouml => "\xf6", uuml => "\xfc", Auml => "\xc4", Ouml => "\xd6", Uuml => "\xdc", szlig => "\xdf",
    eacute => "\xe9", egrave => "\xe8", agrave => "\xe0", ccedil => "\xe7", ndash => "\x{2013}", mdash => "\x{2014}");

# What says how a body came, or is a word of the server's or of LWP's own, is not for whoever wrote a page.
my $NOT_A_PAGES = qr/\A(?:X-Died|Client-.*|Content-(?:Length|Encoding|Type)|Transfer-Encoding|Set-Cookie2?|(?:WWW|Proxy)-Authenticate|Location|Status)\z/i;

sub parse {
    my ($html, $response) = @_;
    $html =~ s/<!--.*?(?:-->|\z)//gs;
    # The body, or the first thing that belongs there, ends it.
    $html =~ s/<(?:body|frameset|h[1-6]|p|div|table|ul|ol|form|a|img|br|hr|span|section|main|nav|header)\b.*//is;
    while ($html =~ /<(title|base|link|meta|script|style|isindex)\b([^<>]*)>/gi) {
        my ($element, $attributes) = (lc $1, _attributes($2));
        if ($element eq 'script' || $element eq 'style') {
            # One that has no end is all that follows.
            $html =~ m{\G.*?</$element\s*>}gcis or last;
        }
        elsif ($element eq 'title') {
            $html =~ m{\G(.*?)</title\s*>}gcis or last;
            (my $title = _text($1)) =~ s/\s+/ /g;
            $title =~ s/\A | \z//g;
            $response->push_header('Title' => $title);
        }
        elsif ($element eq 'base') {
            $response->push_header('Content-Base' => $attributes->{href}) if defined $attributes->{href};
        }
        elsif ($element eq 'link') {
            next if !defined $attributes->{href};
            my $value = '<' . delete($attributes->{href}) . '>';
            $value .= qq(; $_="$attributes->{$_}") for sort keys %$attributes;
            $response->push_header('Link' => $value);
        }
        elsif ($element eq 'meta') {
            my $name = $attributes->{'http-equiv'};
            if (!defined $name || !length $name) {
                if (defined $attributes->{charset}) {
                    $response->push_header('X-Meta-Charset' => $attributes->{charset});
                    next;
                }
                $name = $attributes->{name};
                $name = $attributes->{property} if !defined $name;
                next if !defined $name || !length $name;
                $name = "X-Meta-\u$name";
            }
            next if !defined $attributes->{content} || $name =~ $NOT_A_PAGES && !($name =~ /\Acontent-type\z/i && !defined $response->header('Content-Type'));
            $name =~ s/:/-/g;
            $name =~ s/[^\w.\-]/-/g;
            $response->push_header($name => $attributes->{content});
        }
    }
    return;
}

sub _attributes {
    my ($text) = @_;
    my %attributes;
    while ($text =~ /([\w:\-]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+)))?/g) {
        my ($value) = grep { defined } $2, $3, $4;
        $attributes{ lc $1 } = _text($value) if defined $value && $1 ne '/';
    }
    return \%attributes;
}

sub _text {
    my ($text) = @_;
    $text =~ s/&(?:#(\d{1,7})|#[xX]([0-9a-fA-F]{1,6})|(\w+));?/_entity($1, $2, $3)/ge;
    return $text;
}

sub _entity {
    my ($decimal, $hex, $name) = @_;
    my $code = defined $decimal ? $decimal : defined $hex ? hex $hex : undef;
    return "&$name;" if !defined $code && !defined $ENTITY{$name};
    my $character = !defined $code ? $ENTITY{$name}
        : $code > 0x10FFFF || $code >= 0xD800 && $code < 0xE000 ? "\x{FFFD}" : chr $code;
    utf8::encode($character);
    return $character;
}

1;
