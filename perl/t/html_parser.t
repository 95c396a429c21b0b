# HTML::Parser and its kin: what they report, held against what the original reports; and what the original's own suite does not ask.
use strict;
use warnings;
use lib 'perl/t/lib', 'perl/lib', 'perl/compat';
use Test::More;
use POSIX ();
use Recorded;
use TestBroker;
use HTML::Entities ();
use HTML::LinkExtor;
use HTML::Parser;
use HTML::PullParser;
use HTML::TokeParser;

my $broker = TestBroker->start;
$ENV{CPAN_BRIDGE_SOCKET} = $broker->socket_path;

my $top = TestBroker::top();
my $data = Recorded::data();
Recorded::compare(
    file     => 'html.json',
    at_least => 1_500,
    ours     => ["-I$top/perl/compat", "-I$top/perl/lib", "$data/html.pl"],
    original => ["$data/html.pl"],
    versions => { 'HTML::Parser' => '3.81' },
);

# A page of several pieces, with tokens that are longer than a piece.
sub page {
    my $long = 'y ' x 50_000;
    return join "\n", '<html><head><title>A &amp; b</title></head><body>',
        (map { qq(<p class="c$_" id=i$_ hidden>Text &lt;$_&gt; <a href="/$_?x=1&amp;y=2">link $_</a><br/>) . ($_ % 1000 ? '' : "<!-- $long --><script>$long<b></script><i title='$long'>") }
            1 .. 3000), '</body></html>';
}

sub all_of {
    my ($page, $size, %options) = @_;
    my @seen;
    my $parser = HTML::Parser->new(
        api_version   => 3,
        unbroken_text => 1,
        default_h     => [sub { push @seen, join '|', map { ref $_ eq 'HASH' ? map { "$_[3]{$_}" } sort keys %{ $_[3] } : ref $_ ? @$_ : defined $_ ? $_ : 'undef' } @_ }, 'event,tagname,dtext,attr,text,offset,line,column,tokens'],
        %options,
    );
    $size ||= length $page;
    for (my $at = 0; $at < length $page; $at += $size) { $parser->parse(substr $page, $at, $size) }
    $parser->eof;
    return join "\n", @seen;
}

my $page = page();
my $whole = all_of($page);
cmp_ok(length $whole, '>', length $page, 'a page of many pieces is reported');
is(all_of($page, $_), $whole, "the same in chunks of $_") for 1021, 8192, 70_001;
{
    my $characters = $page;
    utf8::upgrade($characters);
    is(all_of($characters), $whole, 'the same as characters');
    (my $wide = $page) =~ s/Text/T\x{20ac}xt/g;
    my $expected = $whole;
    my $seen = all_of($wide);
    is(length $seen, length $expected, 'as many of others');
    $seen =~ s/T\x{20ac}xt/Text/g;
    is($seen, $expected, 'and nothing else is different');
}
# The first call of a process has other answers than those behind it, which come as images.
is(all_of($page, 512 * 1024), $whole, 'the same again') for 1 .. 2;
{
    my $text = "<p \x{263a}='&eacute;'>plain</p>";
    my @seen;
    my $parser = HTML::Parser->new(api_version => 3, start_h => [\@seen, 'tagname,text,attr'], text_h => [sub { push @seen, @_ }, 'dtext']);
    $parser->parse("$text ")->eof;
    ok(utf8::is_utf8($_), 'what comes of characters are characters') for @{ $seen[0] }[0, 1], $seen[1];
    is_deeply($seen[0][2], { "\x{263a}" => "\xe9" }, 'names of attributes as well');
}

# --- Handlers

{
    my @seen;
    my $parser = HTML::Parser->new(api_version => 3);
    $parser->handler(start => sub { push @seen, "a $_[0]"; $parser->handler(start => sub { push @seen, "b $_[0] $_[1]" }, 'tagname,offset') if @seen == 1500 }, 'tagname');
    $parser->parse($page);
    is(scalar @seen, scalar(my @tags = $page =~ /<[a-z]/g) - 3, 'each start tag is reported once');
    like($seen[1499], qr/\Aa /, 'by the old handler up to where it is changed');
    like($seen[1500], qr{\Ab [a-z]+/? [0-9]+\z}, 'and by the new one behind it');
    is(substr($page, (split ' ', $_)[2], 2), '<' . substr((split ' ')[1], 0, 1), 'at the right place') for @seen[1500, 3000, -1];
}
{
    my @seen;
    my $parser = HTML::Parser->new(api_version => 3, start_h => [sub { push @seen, $_[0]; die "enough\n" if @seen == 100 }, 'tagname']);
    ok(!eval { $parser->parse($page); 1 }, 'what a handler dies of');
    is($@, "enough\n", 'gets to who called');
    is(scalar @seen, 100, 'and nothing is reported behind it');
    ok(eval { $parser->parse('<b>')->eof }, 'the parser is good for more');
    ok(eval { $parser->parse('<u>')->eof; $seen[-1] eq 'u' }, 'and for another document');
}
{
    # It dies after it changed the rules, while the next piece is at hand.
    my @seen;
    my $parser = HTML::Parser->new(api_version => 3, start_h => [sub { push @seen, $_[1]; $_[0]->xml_pic(1) if @seen == 1; die "enough\n" if @seen == 10 }, 'self,text']);
    ok(!eval { $parser->parse($page); 1 }, 'a handler that dies behind a change');
    @seen = (0) x 20;
    $parser->eof;
    my $other = ('<u title="' . 'x' x 100 . '">') x 2000;
    $parser->parse($other)->eof;
    is(join('', grep { $_ } @seen), $other, 'leaves nothing to the next document');
}
{
    my ($outer, $inner) = (0, 0);
    my $parser = HTML::Parser->new(api_version => 3, start_h => [sub {
        $outer++;
        return if $outer % 1000;
        my $other = HTML::Parser->new(api_version => 3, start_h => [sub { $inner++ }, '']);
        $other->parse('<a><b>')->eof;
        eval { $_[0]->parse('<x>') };
    }, 'self']);
    $parser->parse($page)->eof;
    is($inner, 2 * int($outer / 1000), 'a handler may parse other documents');
    like($@, qr/\AParse loop not allowed at \Q$0\E line [0-9]+\.$/m, 'but not its own');
}
{
    my $count = 0;
    my $parser = HTML::Parser->new(api_version => 3, start_h => [sub { $count++ }, '']);
    $parser->parse(substr $page, 0, 100_000);
    my $before = $count;
    pipe my $from, my $to or die $!;
    my $pid = fork;
    die "fork: $!" if !defined $pid;
    if (!$pid) {
        $parser->parse(substr $page, 100_000)->eof;
        syswrite $to, $count;
        POSIX::_exit(0);
    }
    close $to;
    $parser->parse(substr $page, 100_000)->eof;
    is(readline $from, $count, 'a child goes on where its parent was, and so does that');
    waitpid $pid, 0;
    cmp_ok($count, '>', $before, 'both have');
}
{
    # A child that is made while the next piece is under way.
    my ($count, $pid) = (0);
    my $parser = HTML::Parser->new(api_version => 3, start_h => [sub { $count++ == 10 or return; $pid = fork; POSIX::_exit(0) if defined $pid && !$pid }, '']);
    $parser->parse($page)->eof;
    waitpid $pid, 0;
    is($count, scalar(my @tags = $page =~ /<[a-z]/g) - 3, 'a handler may fork');
}
{
    local $_ = 'mine';
    local $@ = 'mine as well';
    local $/ = undef;
    my @seen;
    my $parser = HTML::Parser->new(api_version => 3, start_h => [sub { push @seen, $_ }, '']);
    $parser->parse($page)->eof;
    is("$_ $@", 'mine mine as well', 'globals are the script\'s');
    is_deeply([grep { $_ ne 'mine' } @seen], [], 'in handlers, too');
}

{
    package main;
    my @seen;
    sub by_name { push @seen, "by name @_"; return }
    local $SIG{__WARN__} = sub { push @seen, "warned: @_" };
    my $parser = HTML::Parser->new(api_version => 3, comment_h => [\@seen, '@{event}']);
    $parser->handler(start => 'by_name', 'tagname');
    $parser->handler(end => 'main::by_name', q(tagname,'literal'));
    $parser->parse('<b><!-- c --></b>')->eof;
    my @texts;
    HTML::Parser->new(api_version => 3, start_h => ['by_name', 'tagname'], text_h => [\@texts, 'text'])->parse('<i>text ');
    is_deeply([splice(@seen, 3), @texts], ['by name i', ['text']], 'in the other order as well');
    is_deeply(\@seen, ['by name b', 'comment', 'by name b literal'], 'functions by name, beside arrays, without a word');
    $parser->handler(start => 'there_is_none', '');
    ok(!eval { $parser->parse('<b>'); 1 }, 'one that is not there');
    like($@, qr/\AUndefined subroutine &main::there_is_none called/, '... is named');
    @seen = ();
    HTML::Parser->new(api_version => 3, start_h => [sub { $_[0] .= '!'; push @seen, $_[0] }, q('x')])->parse('<a><b>');
    is_deeply(\@seen, ['x!', 'x!'], 'a literal is the handler\'s');
}
{
    my @seen;
    HTML::Parser->new(api_version => 3, default_h => [\@seen, '@{event,text}'])->parse('<_>a<:b>c<x:d></:b>');
    is("@seen", 'start_document  start <_> text a start <:b> text c start <x:d> end </:b>', 'names of tags that begin as those of XML may');
}

# --- Character references

{
    local $HTML::Entities::entity2char{nbsp} = ' ';
    local $HTML::Entities::entity2char{'firm;'} = "F\x{fc}rst & Co";
    my @seen;
    my $parser = HTML::Parser->new(api_version => 3, start_h => [sub { push @seen, $_[0]{title} }, 'attr'], text_h => [sub { push @seen, $_[0] }, 'dtext']);
    $parser->parse('<p title="a&nbsp;&firm;">b&nbsp;c&firm;</p>')->eof;
    is_deeply(\@seen, ["a F\x{fc}rst & Co", "b cF\x{fc}rst & Co"], 'names that a script has changed are as it has them') or diag explain \@seen;
    is(HTML::Entities::decode('&firm;'), "F\x{fc}rst & Co", 'in the function, too');
}
{
    local $HTML::Entities::entity2char{nbsp} = ' ';
    my $calls = 0;
    my $call = \&HTML::Parser::Document::_tokens;
    no warnings 'redefine';
    local *HTML::Parser::Document::_tokens = sub { $calls++; return $call->(@_) };
    HTML::Parser->new(api_version => 3, text_h => [sub { }, 'dtext'])->parse('<p>a&nbsp;b</p>' x 30_000)->eof;
    cmp_ok($calls, '<', 4, 'what is on its way is not asked for again, also with names of its own');
}
is(HTML::Entities::decode('&nbsp;'), "\xa0", 'and as ever behind that');
{
    my $long = '&' . 'a' x 1_000_000;
    is(HTML::Entities::decode($long . '&amp;'), "$long&", 'a long name that is none');
    HTML::Entities::_decode_entities(my $text = '&nbspx' x 3, \%HTML::Entities::entity2char, 1);
    is($text, "\xa0x" x 3, 'names that begin with one');
}

# --- Hostile documents

sub _shown {
    my $shown = substr $_[0], 0, 20;
    $shown =~ s/[^\x20-\x7e]/?/g;
    return $shown;
}

for my $hostile (
    ['<' x 200_000,               {}],
    ['<!--' x 50_000,             {}],
    ['<!--' x 50_000,             { strict_comment => 1 }],
    ['<a b=' x 40_000 . 'x 1',    { strict_names => 1 }],
    ['<!DOCTYPE ' x 20_000 . '-x', { strict_comment => 1 }],
    ['<![CDATA[' x 30_000,        { marked_sections => 1 }],
    ['<![INCLUDE[' x 30_000 . ']]>' x 30_000, { marked_sections => 1 }],
    ['<a ' . join(' ', map { "a$_=1" } 1 .. 50_000) . '>', {}],
    ['<script>' . '</' x 100_000, {}],
    ['<script>' x 50_000, {}],
    ['<title>' x 50_000, {}],
    ['<title></titl' x 50_000, {}],
    ["<p>\0</p>\xff\xfe<\xed\xa0\x80>" x 1000, {}],
    ["\x{d800}<p>\x{110000}</p>" x 1000, {}],
) {
    my ($document, $options) = @$hostile;
    no warnings;
    my $length = 0;
    my $parser = HTML::Parser->new(api_version => 3, %$options, default_h => [sub { $length += length $_[0] }, 'text,tagname,attr'], marked_sections => $options->{marked_sections});
    ok(eval { $parser->parse($document)->eof; 1 }, 'hostile: ' . _shown($document)) or diag $@;
    cmp_ok($length, '>', length($document) / 2, 'and all of it is reported') if !$options->{marked_sections};
}

# Tokens that come in many small chunks, as from a pipe: what is before does not go to the broker again with each.
for (
    ['a script', '<script>' . "if (a<b) x->y();\n" x 10_000 . '</script><p>'],
    ['a comment', '<!--' . 'x>' x 20_000 . '-->'],
    ['text', 'a' x 50_000 . ' b'],
    ['an attribute', '<a b="' . 'x' x 50_000 . '">'],
) {
    my ($name, $document) = @$_;
    my ($length, $calls) = (0, 0);
    my $call = \&HTML::Parser::Document::_tokens;
    no warnings 'redefine';
    local *HTML::Parser::Document::_tokens = sub { $calls++; return $call->(@_) };
    my $parser = HTML::Parser->new(api_version => 3, default_h => [sub { $length += length $_[0] }, 'text']);
    for (my $at = 0; $at < length $document; $at += 100) { $parser->parse(substr $document, $at, 100) }
    $parser->eof;
    is($length, length $document, "$name in chunks is reported whole");
    cmp_ok($calls, '<', 20, "... after $calls calls");
}
{
    my ($length, $parts) = (0, 0);
    my $parser = HTML::Parser->new(api_version => 3, text_h => [sub { $length += length $_[0]; $parts++ }, 'text']);
    $parser->parse('word ' x 5_000_000)->eof;
    is($length, 25_000_000, 'text that is longer than a message');
    cmp_ok($parts, '<', 20, '... comes in few parts');
}

# --- The others

{
    my $ascii = '<td>&nbsp;</td>';
    utf8::upgrade($ascii);
    my $parser = HTML::TokeParser->new(\$ascii);
    $parser->get_tag('td');
    is(length $parser->get_trimmed_text('/td'), 1, 'a space that does not break stays in a document of ASCII, as in the original');
}
{
    my $extor = HTML::LinkExtor->new(undef, 'http://x.example/a/');
    $extor->parse('<a href=" b "><img src=c lowsrc=d alt=e><p href=f>')->eof;
    is_deeply([map { "@$_" } $extor->links], ['a href http://x.example/a/b', 'img src http://x.example/a/c lowsrc http://x.example/a/d'], 'links');
    is_deeply([$extor->links], [], 'which are given once');
}
{
    pipe my $from, my $to or die $!;
    syswrite $to, '<title>First</title>' . ' ' x 512;
    my $parser = HTML::TokeParser->new($from);
    is(($parser->get_tag('title'), $parser->get_text)[1], 'First', 'what has come is reported, though more is to come');
    is(HTML::TokeParser->new("$top/there/is/none.html"), undef, 'a file that is not there');
    cmp_ok($!, '==', POSIX::ENOENT(), 'and why');
}

done_testing;
