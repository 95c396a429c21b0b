package LWP::Protocol::Listing;

# What pages that list a directory have in common, on this host or a server of FTP.

use strict;
use warnings;

our $VERSION = '6.68';

# A text as HTML has it, also within quotes.
sub html {
    my ($text) = @_;
    $text =~ s/&/&amp;/g;
    $text =~ s/</&lt;/g;
    $text =~ s/>/&gt;/g;
    $text =~ s/"/&quot;/g;
    return $text;
}

# What the names in it are relative to, as HTML has it.
sub base {
    my ($uri) = @_;
    my $base = $uri->clone;
    $base->path($base->path . '/') if $base->path !~ m{/\z};
    return html("$base");
}

1;
