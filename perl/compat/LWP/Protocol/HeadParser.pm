package LWP::Protocol::HeadParser;

# What the head of an HTML page says becomes headers of the response: Title, Base, Link, X-Meta-*, and what it says in place of
# headers (HTML, http-equiv). Everything is bytes; an entity becomes its UTF-8.

use strict;
use warnings;

our $VERSION = '6.68';

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

# References as UTF-8.
sub _text {
    my ($text) = @_;
    return $text if index($text, '&') < 0;
    require HTML::Entities;
    $text =~ s/(&[#\w]+;?)/my $character = HTML::Entities::decode_entities($1); utf8::encode($character); $character/ge;
    return $text;
}

1;
