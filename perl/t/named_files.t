# Files that a script names are regular files: a pipe holds no script up, and a device does not fill its memory.

use strict;
use warnings;
use lib 'perl/t/lib';

use CPANBridge::File;
use CPANBridge::HTTP;
use File::Temp ();
use POSIX ();
use Test::More;

my $dir = File::Temp->newdir;
POSIX::mkfifo("$dir/pipe", 0600) or die $!;
{
    open my $out, '>', "$dir/file" or die $!;
    print {$out} "a\r\n" x 1000;
    close $out;
}

is((CPANBridge::File::content("$dir/file"))[0], "a\r\n" x 1000, 'a file is read as it is');
for my $case (
    ["$dir/pipe",    qr/\Ait is a pipe; only regular files are opened\z/],
    ['/dev/zero',    qr/\Ait is a device; /],
    ["$dir",         qr/\Ait is a directory; /],
    ["$dir/missing", qr/\A\w.*\z/],
) {
    my ($path, $words) = @$case;
    $! = 5;
    my ($text, $why) = CPANBridge::File::content($path);
    is($text, undef, "$path is not read");
    like($why, $words, 'and it is said why');
    is($! + 0, 5, 'without a word to $!');
    my $answer = CPANBridge::HTTP->new(SSL_options => { SSL_ca_file => $path })->get('https://localhost:1/');
    is($answer->{status}, 599, 'nor as a file of authorities');
    like($answer->{content}, qr/SSL_ca_file \Q$path\E/, 'which names the option and the file');
}
like((CPANBridge::File::content("$dir/file", 100))[1], qr/larger than 100 bytes/, 'a file has a most');
is(length((CPANBridge::File::content("$dir/file", 3000))[0]), 3000, 'which it may have');

done_testing;
