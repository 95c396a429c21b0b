# The stand-in for JSON, over JSON::PP.
use strict;
use warnings;
use lib 'perl/t/lib', 'perl/lib', 'perl/compat';
use Test::More;

BEGIN { plan skip_all => 'JSON::PP is part of Perl since 5.14' if !eval { require JSON::PP; 1 } }
use JSON;

like($INC{'JSON.pm'}, qr/compat/, 'this is the stand-in');
my @warnings;
local $SIG{__WARN__} = sub { push @warnings, @_ };

is(to_json({ a => [1, 'x', undef] }, { canonical => 1 }), '{"a":[1,"x",null]}', 'to_json');
is_deeply(from_json('{"a":[1,"x",null]}'), { a => [1, 'x', undef] }, 'from_json');
is(encode_json(["\x{20ac}"]), qq{["\xe2\x82\xac"]}, 'encode_json writes UTF-8');
is_deeply(decode_json(qq{["\xe2\x82\xac"]}), ["\x{20ac}"], 'decode_json reads it');
is(to_json(["\x{20ac}"]), qq{["\x{20ac}"]}, 'to_json writes characters');
is(JSON->new->pretty->canonical->encode({ b => 1, a => [] }), qq({\n   "a" : [],\n   "b" : 1\n}\n), 'pretty');
is(ref(JSON->new), 'JSON', 'objects are its own');
ok(JSON->new->isa('JSON::PP'), 'and JSON::PP\'s');
is_deeply([JSON->backend, JSON->is_pp, JSON->is_xs, JSON->VERSION], ['JSON::Backend::PP', 1, 0, '4.11'], 'what it stands on');
ok(JSON::is_bool(from_json('[true]')->[0]) && !JSON::is_bool(1), 'is_bool');
is(to_json([JSON::true, JSON::false, JSON::null, $JSON::true]), '[true,false,null,true]', 'true, false, null');
is(JSON->new->utf8->property('utf8'), 1, 'property');
is(JSON->new->property->{max_size}, 0, 'no limit is 0');
is(JSON->new->allow_nonref->encode('x'), '"x"', 'a text alone');
eval { from_json('{"a":') };
like($@, qr/ at \Q$0\E line /, 'an error is at the script\'s line');
is(objToJson([1]), '[1]', 'objToJson');
is_deeply(jsonToObj('[1]'), [1], 'jsonToObj');
is(scalar(grep { /will be obsoleted.* at \Q$0\E line/ } splice @warnings), 2, 'both warn');
eval { JSON->new->to_json([1]) };
like($@, qr/to_json should not be called as a method/, 'no method');

sub said {
    my ($code, @import) = @_;
    open my $out, '-|', $^X, '-Iperl/compat', '-e', "use JSON @import; $code" or die $!;
    return do { local $/; readline $out };
}
is(said('print __PACKAGE__->can("to_json") ? 1 : 0', "'-no_export'"), 0, '-no_export');
is(said('print JSON->new->convert_blessed->canonical->encode([bless({ a => 1 }, "X"), bless([2], "X")])', "'-convert_blessed_universally'"),
    '[{"a":1},[2]]', '-convert_blessed_universally');
is(said('print ref JSON->new->sort_by', "'-support_by_pp'"), 'JSON', '-support_by_pp');
for (['JSON::XS,JSON::PP', 1], ['0', 1], ['JSON::backportPP', 1], ['2', undef], ['JSON::XS', undef]) {
    my ($backend, $works) = @$_;
    local $ENV{PERL_JSON_BACKEND} = $backend;
    my $said = qx{$^X -Iperl/compat -e 'print eval { require JSON; 1 } ? "ok" : \$\@' 2>&1};
    $works ? is($said, 'ok', "PERL_JSON_BACKEND=$backend") : like($said, qr/stands on JSON::PP.* at -e line 1/, "PERL_JSON_BACKEND=$backend");
}
is_deeply(\@warnings, [], 'no warnings');

done_testing;
