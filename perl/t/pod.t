# Every public method is documented, and the documentation is well formed.
use strict;
use warnings;
use lib 'perl/t/lib', 'perl/lib';
use Test::More;
use File::Find;
use Pod::Checker;
use TestBroker;

my $lib = TestBroker::top() . '/perl/lib';
my @files;
find({ no_chdir => 1, wanted => sub { push @files, $_ if /\.pm\z/ } }, $lib);

for my $file (sort @files) {
    open my $sink, '>', \my $said or die;
    my $checker = Pod::Checker->new;
    $checker->parse_from_file($file, $sink);
    is($checker->num_errors, 0, "$file: POD is well formed") or diag $said;

    open my $source, '<', $file or die $!;
    my $text = do { local $/; readline $source };
    my ($code, $pod) = split /^__END__$/m, $text;
    # The methods of CPANBridge stand in three files, and are described in one.
    next if $file =~ m{/(?:Methods|Existing)\.pm\z};
    if ($file =~ m{/CPANBridge\.pm\z}) {
        for my $part (qw(Methods Existing)) {
            open my $in, '<', "$lib/CPANBridge/$part.pm" or die $!;
            my ($more) = split /^__END__$/m, do { local $/; readline $in };
            # What stands there for a public method has a name of its own.
            $more =~ s/^sub _do_/sub /mg;
            $code .= $more;
        }
    }
    # Classes within a file are its own business.
    $code =~ s/^package\s+# not for the index.*//ms;
    my %documented = map { $_ => 1 } $pod =~ /^=head2 (\w+)/mg;
    # Constants say what they are where they stand.
    my @public = grep { !/\A(?:_|DESTROY\z|CLONE\z|[A-Z][A-Z0-9_]*\z)/ } $code =~ /^sub (\w+)/mg;
    is_deeply([grep { !$documented{$_} } @public], [], "$file: every public sub is documented");
    my %exists = map { $_ => 1 } @public;
    is_deeply([grep { /\A[a-z_]+\z/ && !$exists{$_} } keys %documented], [], "$file: nothing else is");
}

# Of the stand-ins the originals' manuals say most; theirs say what is there.
my @manuals;
find({ no_chdir => 1, wanted => sub { push @manuals, $_ if /\.(?:pm|pod)\z/ } }, TestBroker::top() . '/perl/compat');
for my $file (sort @manuals) {
    open my $sink, '>', \my $said or die;
    my $checker = Pod::Checker->new;
    $checker->parse_from_file($file, $sink);
    is($checker->num_errors > 0 ? $checker->num_errors : 0, 0, "$file: POD is well formed, where there is any") or diag $said;
}

done_testing;
