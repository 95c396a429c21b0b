#!/usr/bin/env perl
# HTML::Parser and what stands on it, whichever is found: pages of 1 MB a second. Run by benches/run.sh, with the stand-in and with the original.
# Prints names and figures for it to compare.
use strict;
use warnings;
use lib 'benches';

use HTML::LinkExtor;
use HTML::Parser;
use HTML::TokeParser;
use Rate;

my ($seconds) = @ARGV;

# A list of goods as shops have them: tables, links, attributes, references.
sub page {
    my @words = qw(price order caf&eacute; stock delivery Monday &amp; of the an item returned later than M&uuml;ller said it would be kept &nbsp; here);
    my $page = qq(<!DOCTYPE html>\n<html lang="en"><head><title>Orders &amp; returns</title>\n<link rel=stylesheet href="/s.css">\n)
        . qq(<script type="text/javascript">var a = "<b>" + 1;</script></head>\n<body class="main">\n<table border=1>\n);
    for (my $row = 1; length $page < 1_000_000; $row++) {
        my $text = join ' ', map { $words[$_ * $row % @words] } 1 .. 3 + $row * 7 % 25;
        $page .= qq(<tr class="row" id="r$row">\n  <td><a href="/item?id=$row&amp;ref=list" title="Item $row">Item $row</a></td>\n  <td align="right">$text</td>\n)
            . qq(  <td><b>@{[ $row % 1000 ]}</b><br/> <img src="/i/$row.png" alt='n' width=10 hidden></td>\n</tr>\n)
            . ($row % 10 ? '' : "<!-- row $row -->\n");
    }
    return "$page</table></body></html>\n";
}

{
    package WithMethods;
    our @ISA = ('HTML::Parser');
    sub start { $_[0]{count}++; return }
    sub text  { $_[0]{count}++; return }
    sub end   { $_[0]{count}++; return }
}

my $page = page();
my $count = 0;
sub parse {
    my ($parser) = @_;
    $parser->parse($page);
    $parser->eof;
    return;
}

Rate::report($seconds, 'start tags with attributes, pages/s', 1, sub { parse(HTML::Parser->new(api_version => 3, start_h => [sub { $count++ }, 'tagname,attr'])) });
Rate::report($seconds, 'text, pages/s', 1, sub { parse(HTML::Parser->new(api_version => 3, text_h => [sub { $count++ }, 'dtext'])) });
Rate::report($seconds, 'tags and text, pages/s', 1, sub {
    parse(HTML::Parser->new(api_version => 3, start_h => [sub { $count++ }, 'tagname,attr'], end_h => [sub { $count++ }, 'tagname'], text_h => [sub { $count++ }, 'dtext']));
});
Rate::report($seconds, 'a subclass with methods, pages/s', 1, sub { parse(WithMethods->new) });
Rate::report($seconds, 'HTML::LinkExtor, pages/s', 1, sub { parse(my $parser = HTML::LinkExtor->new); $count += () = $parser->links });
Rate::report($seconds, 'HTML::TokeParser, every token, pages/s', 1, sub { my $parser = HTML::TokeParser->new(\$page); $count++ while $parser->get_token });
Rate::report($seconds, 'HTML::TokeParser, links with their text, pages/s', 1, sub {
    my $parser = HTML::TokeParser->new(\$page);
    while (my $tag = $parser->get_tag('a')) { $count += length $parser->get_trimmed_text('/a') }
});
