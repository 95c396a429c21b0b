# Every file compiles, alone, with warnings, and needs core modules only.
use strict;
use warnings;
use lib 'perl/t/lib';
use Test::More;
use File::Find;
use TestBroker;

my ($lib, $compat) = map { TestBroker::top() . "/perl/$_" } qw(lib compat);
my @files;
find({ no_chdir => 1, wanted => sub { push @files, $_ if /\.pm\z/ } }, $lib, $compat);
ok(@files >= 50, 'there are modules');
# What the stand-ins need besides, and what each other are.
my %in_compat = map { $_ => 1 } qw(Cwd Digest::MD5 Digest::SHA Encode Exporter Fcntl MIME::Base64 MIME::QuotedPrint Scalar::Util Time::Local);
my %stand_in = map { my ($name) = m{/compat/(.*)\.pm\z}; defined $name ? do { $name =~ s{/}{::}g; ($name => 1) } : () } @files;

# Kept short on purpose: packagers split even core modules off. Loaded only when needed: B, POSIX, Time::HiRes, JSON::PP.
my %allowed = map { $_ => 1 } qw(strict warnings overload constant Carp Errno Socket File::Basename File::Spec
    B Fcntl POSIX Time::HiRes Time::Local JSON::PP JSON::PP::Boolean);

# What the original loads if it is there, and so do we.
my %optional = map { $_ => 1 } qw(Crypt::FileHandle Crypt::PBKDF2 Crypt::PBKDF2::Hash::HMACSHA1 Crypt::PBKDF2::Hash::HMACSHA2);
for my $file (sort @files) {
    my $is_stand_in = $file =~ m{\A\Q$compat\E/};
    my $output = qx{$^X -I$lib -I$compat -wc $file 2>&1};
    is($output, "$file syntax OK\n", "$file compiles without a warning");

    open my $source, '<', $file or die $!;
    my $code = do { local $/; readline $source };
    $code =~ s/^__END__.*//ms;
    $code =~ s/^\s*#.*//mg;
    my @used = $code =~ /^\s*(?:use|require)\s+([A-Za-z_][\w:]*)/mg;
    push @used, $code =~ /\beval \{ require ([\w:]+)/g;
    my @foreign = grep { !$allowed{$_} && !/\ACPANBridge/ && !($is_stand_in && ($in_compat{$_} || $stand_in{$_} || $optional{$_})) } @used;
    is_deeply(\@foreign, [], "$file uses core modules only");
    like($code, qr/^use strict;\nuse warnings;/m, "$file is strict");
    unlike($code, qr/\balarm\b(?!\W*>)/, "$file sets no alarm");
    # What 5.10.1 does not have.
    unlike($code, qr/\bsay\b|__SUB__|->\@\*|->%\*|\bpackage\s+[\w:]+\s*\{|=~\s*s\{[^}]*\}\{[^}]*\}\w*r\b|\bfc\(/,
        "$file is written for 5.10.1");
}

SKIP: {
    eval { require Module::CoreList } or skip 'no Module::CoreList', 1;
    my @foreign = grep { !Module::CoreList::is_core($_, undef, '5.014') } keys %allowed, keys %in_compat;
    is_deeply(\@foreign, [], 'all of them were core in 5.14');
}

done_testing;
