# The codec beside others: what one packs the others read, and the same bytes come out.
use strict;
use warnings;
use lib 'perl/t/lib', 'perl/lib';
use Test::More;
use CPANBridge;
use CPANBridge::MessagePack;
use TestBroker;

my $broker = TestBroker->start;
my $bridge = CPANBridge->new(socket => $broker->socket_path);

my $seed = defined $ENV{RANDOM_SEED} ? $ENV{RANDOM_SEED} : time ^ $$;
diag "RANDOM_SEED=$seed" if $ENV{HARNESS_IS_VERBOSE};
srand $seed;

sub value {
    my ($depth) = @_;
    my $kind = int rand($depth > 4 ? 8 : 10);
    return undef if $kind == 0;
    return int(rand 2**31) - 2**30 if $kind == 1;
    return [0, 1, 127, 128, 255, 256, 65_535, 65_536, 4_294_967_295, 4_294_967_296, -1, -32, -33, -128, -129, -32_768, -32_769,
        -2_147_483_648, -2_147_483_649, 9_007_199_254_740_993, ~0, -9_223_372_036_854_775_808]->[rand 22] if $kind == 2;
    return rand() * 10 ** int(rand 40) - 0.5 if $kind == 3;
    return join '', map { chr 32 + int rand 90 } 1 .. rand 50 if $kind == 4;
    return join '', map { chr 0x100 + int rand 0x2000 } 1 .. 1 + rand 40 if $kind == 5;
    return join '', map { chr 128 + int rand 128 } 1 .. 1 + rand 300 if $kind == 6;
    return 'x' x [31, 32, 255, 256, 65_535, 65_536]->[rand 6] if $kind == 7;
    return [map { value($depth + 1) } 1 .. rand 20] if $kind == 8;
    return { map { ("key $_" => value($depth + 1)) } 1 .. rand 20 };
}

# With integers for floating-point numbers that are integral for certain, as a value has that went as an image of Storable's.
sub integral {
    my ($value) = @_;
    return [map { integral($_) } @$value] if ref $value eq 'ARRAY';
    return { map { $_ => integral($value->{$_}) } keys %$value } if ref $value eq 'HASH';
    my $is_float = defined $value && unpack('H2', CPANBridge::MessagePack->new->pack($value)) eq 'cb';
    return $is_float && abs $value < 2**53 && $value == int $value ? 0 + sprintf '%d', $value : $value;
}

my @values = map { value(0) } 1 .. 400;

# --- The broker's own (rmp-serde)
my @different = grep {
    my $sent = { value => $values[$_] };
    my $back = $bridge->call('test.echo', $sent);
    my ($came, $went) = map { CPANBridge::MessagePack->new(canonical => 1)->pack($_) } $back, $sent;
    $came ne $went && $came ne CPANBridge::MessagePack->new(canonical => 1)->pack(integral($sent));
} 0 .. $#values;
is_deeply(\@different, [], "the broker gives back what it got ($seed)");

SKIP: {
    eval { require Data::MessagePack; 1 } or skip 'Data::MessagePack is not installed: no comparison with it', 2;
    my $theirs = Data::MessagePack->new->canonical->utf8(0);
    my (@unread, @unlike);
    for my $index (0 .. $#values) {
        my $bytes = CPANBridge::MessagePack->new(canonical => 1)->pack($values[$index]);
        my $read = eval { Data::MessagePack->unpack($bytes) };
        my $again = CPANBridge::MessagePack->new(canonical => 1)->unpack(Data::MessagePack->pack($read));
        push @unread, $index if $@ || defined $values[$index] && !defined $read;
        # Numbers and structure survive both; it has one kind of text, so only ASCII is told apart the same way.
        push @unlike, $index if !ref $values[$index] && defined $values[$index] && $values[$index] =~ /\A[\x20-\x7e]*\z/ && $again ne $values[$index];
    }
    is_deeply(\@unread, [], "Data::MessagePack reads what we pack ($seed)");
    is_deeply(\@unlike, [], "and we read what it packs ($seed)");
}

done_testing;
