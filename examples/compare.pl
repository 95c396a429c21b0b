#!/usr/bin/perl
# Makes the calls of a file and prints each result as a line of JSON, so that the results of two installations can be compared:
#
#     perl -I/old/lib          compare.pl calls.json >old.json
#     perl -I/usr/share/perl5  compare.pl calls.json >new.json
#     diff old.json new.json && echo equal
#
# calls.json has one call a line: {"module": "crypto", "function": "new", "params": {"key": "secret"}, "as": "cipher"}
# A later call uses what an earlier one returned: {"cipher_id": "${cipher.cipher_id}"}. What differs from call to call by its
# nature (handles, times, what is encrypted under a fresh initialization vector) is printed as "..."; name more with --ignore.
use strict;
use warnings;
use Getopt::Long;
use JSON::PP;
use CPANBridge;

my %volatile = map { $_ => 1 } qw(cipher_id session_id body_id encrypted iv timestamp uptime pid stats start_time
    execution_time response_time elapsed_time daemon_version platform performance request_id);
GetOptions('ignore=s' => sub { $volatile{$_} = 1 for split /,/, $_[1] }) && @ARGV == 1
    or die "usage: $0 [--ignore NAME,NAME] calls.json\n";

my $json = JSON::PP->new->canonical->allow_nonref->utf8;
my $bridge = CPANBridge->new;
my %results;
open my $calls, '<', $ARGV[0] or die "$ARGV[0]: $!\n";
while (my $line = <$calls>) {
    next if $line !~ /\S/;
    my $call = $json->decode($line);
    my $result = $bridge->call_python($call->{module}, $call->{function}, filled_in($call->{params} || {}));
    my $payload = $result->{success} ? $result->{result} : { error => $result->{error} };
    $results{ $call->{as} } = $payload if defined $call->{as};
    print "$call->{module}.$call->{function} ", $json->encode(stable($payload)), "\n";
}

# Parameters with what earlier calls returned in its place.
sub filled_in {
    my ($value) = @_;
    return { map { $_ => filled_in($value->{$_}) } keys %$value } if ref $value eq 'HASH';
    return [map { filled_in($_) } @$value] if ref $value eq 'ARRAY';
    return $value if ref $value || !defined $value || $value !~ /\A\$\{(\w+)\.(\w+)\}\z/;
    my ($name, $field) = ($1, $2);
    my $found = $results{$name};
    # The old client wraps some results once more.
    $found = $found->{result} if ref $found eq 'HASH' && !exists $found->{$field} && ref $found->{result} eq 'HASH';
    die "no earlier call is called $name, or it returned no $field\n" if ref $found ne 'HASH' || !exists $found->{$field};
    return $found->{$field};
}

# A result without what is different each time.
sub stable {
    my ($value) = @_;
    return [map { stable($_) } @$value] if ref $value eq 'ARRAY';
    return $value if ref $value ne 'HASH';
    # Once more wrapped is the same result.
    return stable($value->{result}) if ref $value->{result} eq 'HASH';
    return { map { $_ => $volatile{$_} ? '...' : stable($value->{$_}) } grep { $_ ne 'success' } keys %$value };
}
