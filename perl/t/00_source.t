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
my %in_compat = map { $_ => 1 } qw(Cwd Digest::MD5 Digest::SHA Encode Exporter Fcntl IO::Socket::INET MIME::Base64 MIME::QuotedPrint Net::Domain Net::FTP Net::NNTP Scalar::Util Sys::Hostname
    Time::Local);
my %stand_in = map { my ($name) = m{/compat/(.*)\.pm\z}; defined $name ? do { $name =~ s{/}{::}g; ($name => 1) } : () } @files;

# Kept short on purpose: packagers split even core modules off. Loaded only when needed: B, POSIX, Time::HiRes, JSON::PP, Storable.
my %allowed = map { $_ => 1 } qw(strict warnings overload constant Carp Errno Socket File::Basename File::Spec
    B Fcntl POSIX Time::HiRes Time::Local JSON::PP JSON::PP::Boolean Storable);

# What the original loads if it is there, and so do we; IO::Socket::IP is core since 5.20.
my %optional = map { $_ => 1 } qw(Business::ISBN Crypt::FileHandle Crypt::PBKDF2 Crypt::PBKDF2::Hash::HMACSHA1 Crypt::PBKDF2::Hash::HMACSHA2
    IO::Socket::IP);
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
}

# --- What older versions of Perl don't have, or read as something else
my @NEWER = (
    # Before 5.32 a comma within [ ], behind words that have no parentheses, is taken for a second index, and warned of.
    ['5.32', 'a comma in an index', qr/\$[\w:]+\[[\s\w\$]+,/, q{$A[ord substr $x, 12]}, q{$A[ord(substr $x, 12)]}],
    ['5.12', 'delete local', qr/\bdelete\s+local\b/, q{delete local $ENV{X};}, q{local $ENV{X};}],
    ['5.12', 'keys of an array', qr/\b(?<!\$)(?:keys|values|each)\b[\s(]*\@(?!\{)\w/, q{keys @list}, q{keys %map}],
    ['5.12', 'a body that is missing', qr/\{\s*\.\.\.\s*;?\s*\}/, q[sub f { ... }], q[sub f { }]],
    ['5.14', 'keys of a reference', qr/\b(?:keys|values|each)\b[\s(]*\$(?!\{|\#)\w/, q{keys $map}, q{keys %$map}],
    ['5.14', 'a package with a block', qr/\bpackage\s+[\w:]+\s*[\d.v]*\s*\{/, q[package A { 1 }], q[{ package A; 1 }]],
    ['5.14', 's///r', qr/=~\s*(?:s|tr|y)(?:\{[^{}]*\}\s*\{[^{}]*\}|\/[^\/\n]*\/[^\/\n]*\/|\|[^|\n]*\|[^|\n]*\|)\w*r\b/, q{$x =~ s/a/b/r}, q{$x =~ s/a/b/}],
    ['5.14', 'a modifier of a match', qr/=~\s*(?:m|qr)?\/[^\/\n]*\/[gimosxc]*[aul]\b/, q{$x =~ /a/ia}, q{$x =~ /a/ix}],
    ['5.16', '__SUB__ and fc', qr/\b__SUB__\b|\bfc\s*\(/, q{fc($x)}, q{lc($x)}],
    ['5.10 with a feature', 'say', qr/(?:^|[;{}])\s*say\b(?!\s*(?:=>|\}))/m, q{; say 'x'}, q{$x{say}}],
    ['5.20', 'a reference with its sigil behind', qr/->(?:\@|%|\$)\*|->\@[\[{]/, q{$x->@*}, q{@$x}],
    ['5.20', 'a slice of pairs', qr/(?<![\w)}\]]\s)(?<![\w)}\]])%(?:\w+|\$\w+)[\[{]/, q{%x{'a'}}, q{$y % $x{a}}],
    ['5.20', 'a signature', qr/\bsub\s+\w+\s*\(\s*[\$\@%]\w/, q{sub f ($x) { }}, q{sub f { }}],
    ['5.26', 'a text that is indented', qr/<<~/, q{print <<~X}, q{print <<X}],
    ['5.32', 'isa', qr/\)\s*isa\s+[A-Z]|\$\w+\s+isa\s+[A-Z]/, q{$x isa Y}, q{$x->isa('Y')}],
    ['5.34', 'try', qr/\btry\s*\{/, q[try { 1 }], q[eval { 1 }]],
);
for my $newer (@NEWER) {
    my ($version, $what, $pattern, $bad, $good) = @$newer;
    like($bad, $pattern, "$what would be found");
    unlike($good, $pattern, "... and nothing else");
}
my @scripts;
find({ no_chdir => 1, wanted => sub { push @scripts, $_ if /\.(?:t|pm|pl)\z/ && !/00_source/ } }, map { TestBroker::top() . "/$_" } qw(perl/t examples));
for my $file (sort @files, @scripts) {
    open my $source, '<', $file or die $!;
    my $code = do { local $/; readline $source };
    $code =~ s/^__END__.*//ms;
    $code =~ s/^\s*#.*//mg;
    my @newer = map { my ($version, $what, $pattern) = @$_; $code =~ /($pattern.*)/ ? "$what (Perl $version): $1" : () } @NEWER;
    is_deeply(\@newer, [], "$file is written for 5.10.1");
}

# A test that ran makes "skip all of it" a wrong plan, and that is seen only where something is missing.
for my $file (grep { /\.t\z/ } sort @scripts) {
    open my $source, '<', $file or die $!;
    my $code = do { local $/; readline $source };
    next if $code !~ /\A(.*?)^plan skip_all\b/ms;
    unlike($1, qr/^(?:ok|is|isnt|like|unlike|is_deeply|cmp_ok|use_ok|pass)\b/m, "$file is skipped before its first test");
}

SKIP: {
    eval { require Module::CoreList; Module::CoreList->can('is_core') } or skip 'no Module::CoreList that tells', 1;
    my @foreign = grep { !Module::CoreList::is_core($_, undef, '5.014') } keys %allowed, keys %in_compat;
    is_deeply(\@foreign, [], 'all of them were core in 5.14');
}

done_testing;
