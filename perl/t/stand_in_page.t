# docs/adding-a-stand-in.md: the stand-in on it is one.
use strict;
use warnings;
use lib 'perl/t/lib', 'perl/lib';
use File::Path qw(mkpath);
use File::Temp qw(tempdir);
use Test::More;
use TestBroker;

my $top = TestBroker::top();
open my $in, '<', "$top/docs/adding-a-stand-in.md" or die $!;
my $page = do { local $/; readline $in };
my ($module, $script) = $page =~ /^```perl\n(.*?)^```$/gms;
like($module, qr/\Apackage Crypt::Mode::CTR;/, 'the module');

my $directory = tempdir(CLEANUP => 1);
mkpath("$directory/Crypt/Mode");
for my $file (["$directory/Crypt/Mode/CTR.pm", $module], ["$directory/script.pl", $script], ["$directory/wrong.pl", "$script\n\$mode->add('x');\n"]) {
    open my $out, '>', $file->[0] or die $!;
    print {$out} $file->[1];
    close $out or die $!;
}
my $broker = TestBroker->start;
$ENV{CPAN_BRIDGE_SOCKET} = $broker->socket_path;
my @perl = ($^X, "-I$directory", "-I$top/perl/lib");
my $said = qx{@perl $directory/script.pl 2>&1};
# printf 'some text' | openssl enc -aes-128-ctr -K 6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b -iv 00000000000000000000000000000000 | xxd -p
is($said, "e64ccf3b7b0c4f2d95\n", 'the script has what openssl makes of it');
like(qx{@perl $directory/wrong.pl 2>&1}, qr{^FATAL: call start_encrypt before add at \Q$directory\E/wrong\.pl line 9\.$}m, 'and an error at its own line');
my %named = map { $_ => 1 } $page =~ /`(CPANBridge::[\w:]+)`/g;
for my $name (sort keys %named) {
    (my $file = "$top/perl/lib/$name.pm") =~ s{::}{/}g;
    ok(-e $file, "$name is there");
}
done_testing();
