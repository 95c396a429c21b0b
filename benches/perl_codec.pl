#!/usr/bin/env perl
# Values packed and unpacked per second by one of several codecs. Run by benches/run.sh, which has them take turns; prints names
# and figures.
#
#     perl_codec.pl CODEC SECONDS
#
# CODEC is CPANBridge::MessagePack, Data::MessagePack::XS, Data::MessagePack::PP, Storable or JSON::PP.
use strict;
use warnings;
use lib 'benches', 'perl/lib';

use Rate;

my ($codec, $seconds) = @ARGV;
my %codec = (
    'CPANBridge::MessagePack' => sub {
        require CPANBridge::MessagePack;
        return (sub { CPANBridge::MessagePack->pack($_[0]) }, sub { CPANBridge::MessagePack->unpack($_[0]) });
    },
    (map { my $way = lc; ("Data::MessagePack::$_" => sub { data_message_pack($way) }) } qw(XS PP)),
    # What core Perl has in C: results of many values come in its form.
    Storable => sub {
        require Storable;
        return (sub { Storable::freeze($_[0]) }, sub { Storable::mretrieve($_[0]) });
    },
    'JSON::PP' => sub {
        require JSON::PP;
        my $json = JSON::PP->new;
        return (sub { $json->encode($_[0]) }, sub { $json->decode($_[0]) });
    },
);
my ($pack, $unpack) = $codec{$codec}->();

sub data_message_pack {
    my ($way) = @_;
    $ENV{PERL_DATA_MESSAGEPACK} = $way if $way eq 'pp';
    require Data::MessagePack;
    my $object = Data::MessagePack->new;
    return (sub { $object->pack($_[0]) }, sub { $object->unpack($_[0]) });
}

my %value = (
    'two texts' => { first_name => 'some words of a text of theirs', second_name => 'and some more words' },
    'a small call' => { key => 'k' x 32, algorithm => 'aes-256-cbc', count => 17 },
    'a table of 1,000 rows' => [
        map { +{ id => $_, name => "row number $_", price => $_ * 1.25, tags => ['one', 'two', $_ % 7], note => undef } } 1 .. 1_000
    ],
);
for my $name (sort keys %value) {
    my ($value, $each) = ($value{$name}, $name =~ /small|texts/ ? 100 : 1);
    my $packed = $pack->($value);
    Rate::report($seconds, "$name, packed /s",   $each, sub { $pack->($value) for 1 .. $each });
    Rate::report($seconds, "$name, unpacked /s", $each, sub { $unpack->($packed) for 1 .. $each });
}
