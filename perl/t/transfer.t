# Files that come and go by way of the broker: whoever runs it.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Cwd qw(getcwd);
use CPANBridge;
use CPANBridge::Progress;
use File::Temp qw(tempdir);
use POSIX ();
use TestBroker;
use TestWeb;

my $web = TestWeb->start('/put' => sub {
    my ($client, $request) = @_;
    return TestWeb::reply($client, $request, '201 Created', ['Content-Type' => 'text/plain', 'X-Was' => $request->{method}], length $request->{body});
});

sub slurp { open my $file, '<', $_[0] or return; local $/; return readline $file }

# Under both kinds of brokers the same happens.
sub transfers {
    my ($bridge, $directory, $who) = @_;
    my @progress;
    my $got = $bridge->call('http_helper.download', { url => $web->url('/bytes/3000000'), path => "$directory/got", mode => '640' },
        progress => sub { push @progress, [@_] });
    is($got->{status_code}, 200, "$who: a download");
    is(-s "$directory/got", 3_000_000, "$who: is whole");
    is((stat "$directory/got")[2] & oct 777, oct 640, "$who: has its mode");
    is_deeply([@{$got}{qw(bytes path success)}], [3_000_000, "$directory/got", 1], "$who: and is told of");
    is($got->{headers}{'Content-Type'}, 'text/plain', "$who: headers are there");
    is_deeply($progress[-1], [3_000_000, 3_000_000, 'bytes'], "$who: progress was told to the end");
    my $missing = $bridge->call('http_helper.download', { url => $web->url('/missing'), path => "$directory/missing" });
    is_deeply([@{$missing}{qw(success status_code content)}, -e "$directory/missing" ? 1 : 0], [0, 404, 'nothing here', 0], "$who: no page is no file");
    my $cut = $bridge->call('http_helper.download', { url => $web->url('/cut'), path => "$directory/got" });
    is($cut->{success}, 0, "$who: half a page is none");
    is(-s "$directory/got", 3_000_000, "$who: and leaves the file alone");
    my $put = $bridge->call('http_helper.upload', { url => $web->url('/put'), path => "$directory/got" });
    is_deeply([@{$put}{qw(status_code bytes content)}], [201, 3_000_000, 3_000_000], "$who: an upload");
    is($put->{headers}{'X-Was'}, 'PUT', "$who: by PUT");
    my $none = eval { $bridge->call('http_helper.upload', { url => $web->url('/put'), path => "$directory/none" }) };
    is($@ && $@->code, 'invalid_params', "$who: a file that is not there");
    my $long = eval { $bridge->call('http_helper.download', { url => $web->url('/bytes/1000'), path => "$directory/long", max_size => 10 }) };
    is($@ && $@->code, 'too_large', "$who: a page that is too long");
    opendir my $all, $directory or die $!;
    is_deeply([sort grep { !/\A\./ || /part/ } readdir $all], ['got'], "$who: nothing else is left");
    return;
}

my $own = TestBroker->start;
transfers(CPANBridge->new(socket => $own->socket_path), tempdir(CLEANUP => 1), 'own user');

SKIP: {
    skip 'acting as another user takes root', 1 if $> != 0;
    my $stranger = 65_534;
    my $broker = TestBroker->start('--socket-mode', '0666', '--allow-user', $stranger, '--allow-network', $stranger);
    chmod 0755, $broker->{directory};
    my $directory = tempdir(CLEANUP => 1);
    chown $stranger, -1, $directory;
    my $builder = Test::More->builder;
    my $pid = fork;
    if (!$pid) {
        # A test of its own, whose results are the parent's single one.
        $builder->reset;
        $builder->output(\my $said);
        $builder->failure_output(\*STDERR);
        POSIX::setuid($stranger);
        transfers(CPANBridge->new(socket => $broker->socket_path), $directory, 'another user');
        POSIX::_exit($builder->is_passing && $builder->current_test > 10 ? 0 : 1);
    }
    waitpid $pid, 0;
    is($?, 0, 'for another user the client opens the files itself');
}

# --- The bar
{
    open my $to, '>', \my $drawn or die;
    my $bar = CPANBridge::Progress->new(to => $to, label => 'file', always => 1);
    $bar->update(0, 2048);
    $bar->update(2048, 2048);
    $bar->finish('done');
    like($drawn, qr/\A\rfile    0%  \[>/, 'it begins');
    like($drawn, qr/\rfile  100%  \[={24}\]  2\.0 KiB of 2\.0 KiB  done *\n\z/, 'it ends');
    my $line = do { $bar->update(512, 2048); $bar->line(2) };
    is($line, 'file   25%  [======>                 ]  512 B of 2.0 KiB  256 B/s  0:06 left', 'in between');
    $bar->update(5, undef, 'rows');
    is($bar->line(0), 'file  5 rows', 'without a total');
    my $quiet = CPANBridge::Progress->new(to => $to);
    my $before = length $drawn;
    $quiet->callback->(1, 2, 'bytes');
    $quiet->finish;
    is(length $drawn, $before, 'nothing is drawn where there is no terminal');
}

done_testing;
