# Every file compiles, alone, with warnings, and needs core modules only.
use strict;
use warnings;
use lib 'perl/t/lib';
use Test::More;
use File::Find;
use TestBroker;

my $lib = TestBroker::top() . '/perl/lib';
my @files;
find({ no_chdir => 1, wanted => sub { push @files, $_ if /\.pm\z/ } }, $lib);
ok(@files >= 6, 'there are modules');

# Kept short on purpose: packagers split even core modules off. Loaded only when needed: B, POSIX, Time::HiRes, JSON::PP.
my %allowed = map { $_ => 1 } qw(strict warnings overload constant Carp Errno Socket File::Basename File::Spec
    B POSIX Time::HiRes JSON::PP JSON::PP::Boolean);

for my $file (sort @files) {
    my $output = qx{$^X -I$lib -wc $file 2>&1};
    is($output, "$file syntax OK\n", "$file compiles without a warning");

    open my $source, '<', $file or die $!;
    my $code = do { local $/; readline $source };
    $code =~ s/^__END__.*//ms;
    $code =~ s/^\s*#.*//mg;
    my @used = $code =~ /^\s*(?:use|require)\s+([A-Za-z_][\w:]*)/mg;
    push @used, $code =~ /\beval \{ require ([\w:]+)/g;
    is_deeply([grep { !$allowed{$_} && !/\ACPANBridge/ } @used], [], "$file uses core modules only");
    like($code, qr/^use strict;\nuse warnings;/m, "$file is strict");
    unlike($code, qr/\balarm\b(?!\W*>)/, "$file sets no alarm");
    # What 5.10.1 does not have.
    unlike($code, qr/\bsay\b|__SUB__|->\@\*|->%\*|\bpackage\s+[\w:]+\s*\{|=~\s*s\{[^}]*\}\{[^}]*\}\w*r\b|\bfc\(/,
        "$file is written for 5.10.1");
}

SKIP: {
    eval { require Module::CoreList } or skip 'no Module::CoreList', 1;
    my @foreign = grep { !Module::CoreList::is_core($_, undef, '5.014') } keys %allowed;
    is_deeply(\@foreign, [], 'all of them were core in 5.14');
}

done_testing;
