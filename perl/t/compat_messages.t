# Messages, URIs, dates and cookies of the stand-ins, held against what the original modules give.
use strict;
use warnings;
use lib 'perl/t/lib', 'perl/lib';
use Test::More;
use Recorded;
use TestBroker;

my $top = TestBroker::top();
my $data = Recorded::data();
Recorded::compare(
    file     => 'messages.json',
    at_least => 130,
    ours     => ["-I$top/perl/compat", "-I$top/perl/lib", "$data/run.pl"],
    original => ["$data/run.pl"],
    versions => { 'HTTP::Message' => '6.44', 'URI' => '5.17', 'HTTP::Cookies' => '6.10', 'HTTP::Date' => '6.05' },
);

done_testing;
