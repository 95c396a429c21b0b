package Recorded;

# Holds what the stand-ins do against what was recorded of the originals; and the originals themselves, where those of the
# recorded versions are installed.

use strict;
use warnings;

use JSON::PP ();
use Test::More ();
use TestBroker ();

sub data { return TestBroker::top() . '/tests/data/www' }

sub _run {
    my @command = @_;
    open my $from, '-|', $^X, @command or die "$command[0]: $!";
    my $json = do { local $/; readline $from };
    return _plain(eval { JSON::PP::decode_json($json) } || []);
}

# True and false as they were recorded: JSON::PP writes those of Perl itself as such from Perl 5.36 and its version 4.11 on.
sub _plain {
    my ($value) = @_;
    return JSON::PP::is_bool($value) ? ($value ? 1 : '')
        : ref $value eq 'ARRAY'      ? [map { _plain($_) } @$value]
        : ref $value eq 'HASH'       ? { map { $_ => _plain($value->{$_}) } keys %$value }
        :                              $value;
}

# file: what was recorded. ours, original: arguments of perl that print the same. versions: of modules that make the original one
# to compare with.
sub compare {
    my (%with) = @_;
    open my $file, '<', data() . "/$with{file}" or die "$with{file}: $!";
    my $recorded = JSON::PP::decode_json(do { local $/; readline $file });
    my $ours = _run(@{ $with{ours} });
    Test::More::is(scalar @$ours, scalar @$recorded, 'all of it ran');
    Test::More::cmp_ok(scalar @$recorded, '>=', $with{at_least}, 'and there is something to run');
    for my $index (0 .. $#$recorded) {
        my $name = $recorded->[$index]{name} || substr $recorded->[$index]{snippet}, 0, 70;
        Test::More::is_deeply($ours->[$index], $recorded->[$index], $name);
    }
    SKIP: {
        my %versions = %{ $with{versions} };
        my @other = grep { (qx{$^X -M$_ -e 'print $_->VERSION' 2>/dev/null} || '') ne $versions{$_} } sort keys %versions;
        Test::More::skip("not installed in the version that was recorded: @other; no live cross-check", 1) if @other;
        Test::More::is_deeply(_run(@{ $with{original} }), $recorded, 'the original does what was recorded');
    }
    return;
}

1;
