# HTTP::Negotiate: which variant a request likes best; and the same of the original, where it is installed.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib", "$FindBin::Bin/../compat";
use Test::More;
use HTTP::Negotiate;
use HTTP::Request;

my @originals = grep { -e } map { "$_/HTTP/Negotiate.pm" } grep { !ref && !/\bcompat\b/ } @INC;
diag 'not compared with the original, which is not installed' if !@originals;

# The original beside ours, under a name of its own.
my $original;
if (@originals) {
    open my $in, '<', $originals[0] or die $!;
    my $text = do { local $/; readline $in };
    $text =~ s/^package HTTP::Negotiate;/no strict; no warnings; package Original;/m or die;
    $text =~ s/^__END__.*//ms;
    eval "$text; 1" or die $@;
    $original = \&Original::choose;
}

sub variant {
    my (%said) = @_;
    return [@said{qw(id quality type encoding charset language size)}];
}

my @documents = (
    variant(id => 'page',  type => 'text/html',             charset  => 'iso-8859-1', language => 'en', size => 3000),
    variant(id => 'text',  type => 'text/plain',            encoding => 'gzip', charset => 'us-ascii', language => 'no', size => 400, quality => 0.95),
    variant(id => 'image', type => 'image/gif',             size     => 43555, quality => 0.3),
    variant(id => 'old',   type => 'text/html; version=2.0', encoding => ['gzip', 'compress'], language => 'en-GB', quality => 0.5),
);
my @cases = (
    ['nothing is asked for', [], 'page 1 3000', 'text 0.95 400', 'old 0.5 0', 'image 0.3 43555'],
    ['a type', [Accept => 'image/*, text/plain;q=0.2'], 'image 0.3 43555', 'text 0.19 400', 'old 0 0', 'page 0 3000'],
    ['the more specific range counts', [Accept => 'text/*;q=0.1, text/html;q=0.4, */*;q=0.5'], 'page 0.4 3000', 'old 0.2 0', 'image 0.15 43555', 'text 0.095 400'],
    ['not one of another version', [Accept => '*/*;q=0.1, text/html;version=3.0'], 'page 1 3000', 'text 0.095 400', 'old 0.05 0', 'image 0.03 43555'],
    ['the first of equals', [Accept => 'text/plain, text/html, image/gif'], 'page 0.9999 3000', 'text 0.95 400', 'old 0.49995 0', 'image 0.29994 43555'],
    ['a size', [Accept => 'text/html;mbx=1000, image/gif;q=0.5;mbx=43555'], 'old 0.5 0', 'image 0.15 43555', 'text 0 400', 'page 0 3000'],
    ['qualities out of bounds', [Accept => 'text/html;q=7, text/plain;q=-1, image/gif;q=none'], 'page 1 3000', 'old 0.5 0', 'text 0 400', 'image 0 43555'],
    ['languages', ['Accept-Language' => 'no, en;q=0.5'], 'text 0.95 400', 'page 0.5 3000', 'image 0.15 43555', 'old 0.0005 0'],
    ['a language of a country', ['Accept-Language' => 'EN-us'], 'page 1 3000', 'image 0.15 43555', 'text 0.00095 400', 'old 0.0005 0'],
    ['a character set', ['Accept-Charset' => 'utf-8'], 'text 0.95 400', 'old 0.5 0', 'image 0.3 43555', 'page 0 3000'],
    ['codings, all of them', ['Accept-Encoding' => 'gzip'], 'page 1 3000', 'text 0.95 400', 'image 0.3 43555', 'old 0 0'],
    ['two headers of a name', [Accept => 'image/gif', Accept => 'text/plain'], 'text 0.95 400', 'image 0.3 43555', 'old 0 0', 'page 0 3000'],
    ['nonsense', [Accept => ',;, ;q=1,*', 'Accept-Language' => '', 'Accept-Charset' => ' '], 'old 0 0', 'text 0 400', 'page 0 3000', 'image 0 43555'],
);

my @warnings;
local $SIG{__WARN__} = sub { push @warnings, @_ };
for my $case (@cases) {
    my ($name, $fields, @expected) = @$case;
    my $request = HTTP::Request->new(GET => 'http://127.0.0.1/');
    my @fields = @$fields;
    while (my ($field, $value) = splice @fields, 0, 2) {
        $request->push_header($field => $value);
    }
    my @got = map { join ' ', @$_ } choose(\@documents, $request);
    is_deeply(\@got, \@expected, $name);
    is_deeply([choose(\@documents, $request->headers)], [choose(\@documents, $request)], 'headers alone say the same') if $name eq 'languages';
    my $best = choose(\@documents, $request);
    is($best, $expected[0] =~ / 0 / ? undef : (split ' ', $expected[0])[0], 'and the best one');
    is_deeply(\@got, [map { join ' ', @$_ } $original->(\@documents, $request)], 'as the original has it') if $original;
}
is("@warnings", '', 'without a warning');

{
    local @ENV{qw(HTTP_ACCEPT HTTP_ACCEPT_LANGUAGE HTTP_ACCEPT_CHARSET HTTP_ACCEPT_ENCODING)} = ('text/*', 'no', '', undef);
    is(scalar choose(\@documents), 'text', 'without a request the variables of CGI');
}

# The original's manual says so; its code takes the reference for a name.
my @several = (variant(id => 'both', language => ['de', 'EN']), variant(id => 'one', language => 'fr'));
is_deeply(
    [choose(\@several, HTTP::Headers->new('Accept-Language' => 'fr;q=0.6, en;q=0.7, de;q=0.2'))],
    [['both', 0.7, 0], ['one', 0.6, 0]],
    'a variant in several languages'
);
is_deeply([choose([])], [], 'no variants');
is(scalar choose([]), undef, 'and none is the best');

{
    my $said = '';
    open my $out, '>', \$said or die $!;
    my $before = select $out;
    { local $HTTP::Negotiate::DEBUG = 1; choose(\@documents) }
    select $before;
    is(scalar(() = $said =~ /^(?:page|text|image|old): /mg), 4, '$DEBUG tells of each');
}

# What it is given stays as it was.
is_deeply($documents[3], ['old', 0.5, 'text/html; version=2.0', ['gzip', 'compress'], undef, 'en-GB', undef], 'the variants are not changed');

done_testing;
