# With debug on, each call is a line on standard error, however it was made; without, nothing is.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use File::Temp ();
use Test::More;
use CPANBridge;
use TestBroker;

my $broker = TestBroker->start;
my %client = map { $_ => CPANBridge->new(socket => $broker->socket_path, persistent => $_) } 1, 0;
my $line = qr/[\d.]+ s\n/;

# What is said meanwhile.
sub said {
    my ($work) = @_;
    my $file = File::Temp->new;
    open my $before, '>&', \*STDERR or die $!;
    open STDERR, '>', $file->filename or die $!;
    my $lives = eval { $work->(); 1 };
    open STDERR, '>&', $before or die $!;
    die $@ if !$lives;
    open my $in, '<', $file->filename or die $!;
    local $/;
    my $text = readline $in;
    return defined $text ? $text : '';
}

my @cases = (
    ['call', sub { $_[0]->call('test.echo', { key => 'hush' }) }, qr/\A\[CPANBridge\] test\.echo done in $line\z/],
    ['a call with options', sub { $_[0]->call('test.echo', { key => 'hush' }, timeout => 5) }, qr/\A\[CPANBridge\] test\.echo done in $line\z/],
    ['a call that fails', sub { eval { $_[0]->call('test.nope', { key => 'hush' }) } }, qr/\A\[CPANBridge\] test\.nope failed \(unknown_function\) in $line\z/],
    ['call_python', sub { $_[0]->call_python('test', 'echo', { key => 'hush' }) }, qr/\A\[CPANBridge\] test\.echo done in $line\z/],
    ['pipeline', sub { $_[0]->pipeline(['test.echo', { key => 'hush' }], ['test.nope']) },
        qr/\A\[CPANBridge\] test\.echo done in $line\[CPANBridge\] test\.nope failed \(unknown_function\) in $line\z/],
    ['notify', sub { $_[0]->notify('test.echo', { key => 'hush' }) }, qr/\A\[CPANBridge\] test\.echo done in $line\z/],
    ['a ticket that is waited for', sub { $_[0]->wait_for($_[0]->send_call('test.echo', { key => 'hush' })) }, qr/\A\[CPANBridge\] test\.echo done in $line\z/],
    ['one that is polled for', sub { my $ticket = $_[0]->send_call('test.echo', { key => 'hush' }); 1 until $_[0]->poll(1); $_[0]->wait_for($ticket) },
        qr/\A\[CPANBridge\] test\.echo done in $line\z/],
);
for my $persistent (1, 0) {
    my $client = $client{$persistent};
    for my $case (@cases) {
        my ($what, $work, $expected) = @$case;
        is(said(sub { $work->($client) }), '', "$what: nothing without debug");
        $client->set_debug(1);
        like(said(sub { $work->($client) }), $expected, '... a line by set_debug');
        $client->set_debug(0);
        local $CPANBridge::DEBUG_LEVEL = 1;
        like(said(sub { $work->($client) }), $expected, '... and by $DEBUG_LEVEL');
    }
}
like(said(sub { CPANBridge->new(socket => $broker->socket_path, debug => 1)->call('test.ping') }), qr/\A\[CPANBridge\] test\.ping done in $line\z/, 'by an argument');

# A handler's call in the middle of another is a call as well.
my $bridge = CPANBridge->new(socket => $broker->socket_path, debug => 1);
like(said(sub { $bridge->call('test.sleep', { seconds => 0.01, steps => 1 }, progress => sub { $bridge->call('test.ping') }) }),
    qr/\A\[CPANBridge\] test\.ping done in $line\[CPANBridge\] test\.sleep done in $line\z/, 'calls within calls');

done_testing;
