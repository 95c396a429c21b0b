# Messages, URIs, dates and cookies of the stand-ins, held against what the original modules give.
use strict;
use warnings;
use lib 'perl/t/lib', 'perl/lib';
use Test::More;
use JSON::PP;
use TestBroker;

my $top = TestBroker::top();
my $data = "$top/tests/data/www";

sub results {
    my ($json) = @_;
    return decode_json($json);
}

my $golden = results(do { open my $file, '<', "$data/messages.json" or die $!; local $/; readline $file });
ok(@$golden > 100, 'there are snippets');
my $ours = results(scalar qx{$^X -I$top/perl/compat -I$top/perl/lib $data/run.pl});
is(scalar @$ours, scalar @$golden, 'all of them ran');
for my $index (0 .. $#$golden) {
    my ($name) = $golden->[$index]{snippet} =~ /\A(.{1,70})/s;
    is_deeply($ours->[$index], $golden->[$index], $name);
}

# Where the originals are installed, that is what they still say.
SKIP: {
    my $versions = 'print join " ", HTTP::Message->VERSION, URI->VERSION, HTTP::Cookies->VERSION, HTTP::Date->VERSION';
    my $installed = qx{$^X -MHTTP::Message -MURI -MHTTP::Cookies -MHTTP::Date -e '$versions' 2>/dev/null};
    skip 'the originals of the recorded versions are not installed: no live cross-check', 1 if $installed ne '6.44 5.17 6.10 6.05';
    my $real = results(scalar qx{$^X $data/run.pl});
    is_deeply($real, $golden, 'the originals give what was recorded');
}

done_testing;
