# What a script loads that makes one call: most of its time goes there. And the rest of the client, which is held as text until something
# unusual happens: whatever became of the files meanwhile.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use File::Copy qw(copy);
use File::Path qw(make_path);
use File::Temp qw(tempdir);
use IO::Socket::INET ();
use POSIX ();
use Test::More;
use TestBroker;

my $broker = TestBroker->start;
my $socket = $broker->socket_path;
my $lib    = "$FindBin::Bin/../lib";

# What a script says, run by itself with this perl.
sub said_by {
    my ($script, @options) = @_;
    my $directory = tempdir(CLEANUP => 1);
    open my $out, '>', "$directory/script.pl" or die $!;
    print {$out} $script;
    close $out;
    local $ENV{CPAN_BRIDGE_SOCKET} = $socket;
    open my $said, '-|', $^X, @options, "$directory/script.pl" or die $!;
    local $/;
    my $text = readline $said;
    close $said;
    return $text;
}

my $one_call = q{
    my $result = CPANBridge->new->call('test.echo', { first => 'some text', second => 'more of it' });
    die if $result->{second} ne 'more of it';
};
is_deeply(
    [split ' ', said_by("use strict; use warnings; use CPANBridge; $one_call" . 'print join " ", sort keys %INC', "-I$lib")],
    [sort map { "$_.pm" } qw(strict warnings CPANBridge), map { "CPANBridge/$_" } qw(Lane Parts Wire)],
    'one call loads four files'
);
is_deeply(
    [
        split ' ',
        said_by(
            'use strict; use warnings; use CPANBridge; die if !CPANBridge->new->call_python("test", "echo", { a => "b" })->{success};'
                . 'print join " ", grep { /^CPANBridge|^(?:B|Carp|Errno|Socket|Storable|constant|overload)\.pm/ } sort keys %INC',
            "-I$lib"
        )
    ],
    ['CPANBridge.pm', map { "CPANBridge/$_.pm" } qw(Clock Existing Lane Loader Parts Wire)],
    'one of the existing interface a little more'
);

# A script with one `get`: of the client no more than that, and nothing for TLS, forms or files.
{
    my $server = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1') or die $!;
    my $port = $server->sockport;
    my $child = fork // die $!;
    if (!$child) {
        my $client = $server->accept;
        while (defined(my $line = readline $client)) { last if $line eq "\r\n" }
        print {$client} "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\nbody";
        close $client;
        POSIX::_exit(0);
    }
    close $server;
    my @loaded = split ' ', said_by(
        "use strict; use warnings; use LWP::UserAgent; die if LWP::UserAgent->new->get('http://127.0.0.1:$port/')->content ne 'body';"
            . 'print join " ", sort keys %INC',
        "-I$lib", "-I$lib/../compat"
    );
    waitpid $child, 0;
    ok((grep { $_ eq 'LWP/Protocol/http.pm' } @loaded), 'a script has got a page');
    my %needless = map { $_ => 1 } qw(Batch Clock Connection Envelope File Launcher Loader Locator MessagePack Methods Places Session TLS Ticket);
    is_deeply([grep { m{\ACPANBridge/(\w+)\.pm\z} && $needless{$1} || $_ eq 'HTTP/Request/Common.pm' } @loaded], [], 'and loaded nothing for it that it did not need');
}

SKIP: {
    skip 'valgrind is not installed', 1 if system 'command -v valgrind >/dev/null';
    my %instructions;
    my $directory = tempdir(CLEANUP => 1);
    for my $case ([nothing => ''], [call => "use CPANBridge; $one_call"]) {
        my ($name, $script) = @$case;
        open my $out, '>', "$directory/$name.pl" or die $!;
        print {$out} "use strict; use warnings; $script";
        close $out;
        local $ENV{CPAN_BRIDGE_SOCKET} = $socket;
        my $text = qx{valgrind --tool=callgrind --callgrind-out-file=/dev/null $^X -I$lib $directory/$name.pl 2>&1};
        ($instructions{$name}) = $text =~ /Collected\s*:\s*(\d+)/;
    }
    skip 'valgrind does not count here', 1 if !$instructions{nothing} || !$instructions{call};
    # That was 83 million when everything was loaded; on Debian 12 it is 9.
    my $ours = ($instructions{call} - $instructions{nothing}) / 1e6;
    cmp_ok($ours, '<', 14, sprintf 'one call takes %.1f million instructions more than an empty script', $ours);
}

my $unusual = q{
    my @two = $bridge->pipeline(['test.echo', { n => 1.5, deep => [{}] }], ['nobody.here']);
    die if $two[0]{deep}[0] eq '' || $two[1]->code ne 'unknown_module';
    eval { CPANBridge->new(nonsense => 1) };
    die $@ if $@ !~ /unknown argument/;
    die if !$bridge->call_python('test', 'ping', {})->{success};
    print "well\n";
};

# A copy of the client that goes, or becomes another, after the script has begun.
for my $case (
    ['removed'         => 'rmtree($lib);'],
    ['of another kind' => 'for my $file (glob "$lib/CPANBridge/*.pm") { open my $out, ">", $file or die $!; print {$out} "die qq{the new version};\n" }'],
    ['elsewhere'       => 'chdir "/" or die $!;'],
) {
    my ($name, $change) = @$case;
    my $directory = tempdir(CLEANUP => 1);
    make_path("$directory/lib/CPANBridge");
    copy($_, "$directory/lib/CPANBridge/") or die $! for glob "$lib/CPANBridge/*.pm";
    copy("$lib/CPANBridge.pm", "$directory/lib/") or die $!;
    for my $call ('', $one_call) {
        is(
            said_by(
                "use strict; use warnings; use File::Path; BEGIN { chdir '$directory' or die } use lib 'lib'; use CPANBridge;"
                    . "my \$lib = '$directory/lib'; my \$bridge = CPANBridge->new; $call; $change; $unusual"
            ),
            "well\n",
            "files that are $name" . ($call ? ', after a call' : '')
        );
        last if $name ne 'elsewhere';
    }
}

is(said_by("use strict; use warnings; use CPANBridge; my \$bridge = CPANBridge->new; $one_call; $unusual", '-T', split(' ', TestBroker::own_modules()), "-I$lib"), "well\n", 'under taint checks');
is(said_by("local \$/ = 'x'; local \$, = '-'; local \$\\ = ''; use CPANBridge; \$_ = 7; my \$bridge = CPANBridge->new; $unusual; die if \$_ ne 7;", "-I$lib"),
    "well\n", 'whatever a script has set');

# Classes that inherit find every method, and can call it as its parent's.
is(
    said_by(
        q{package Mine; use strict; use warnings; our @ISA = 'CPANBridge'; use CPANBridge;
          sub pipeline { my $self = shift; return ('mine', $self->SUPER::pipeline(@_)) }
          sub call_python { my $self = shift; return { ours => $self->SUPER::call_python(@_)->{success} } }
          package main;
          my @methods = qw(call pipeline send_call wait_for poll notify cancel fileno available is_connected disconnect call_python get_last_error
              get_performance_stats get_last_python_output clear_performance_stats set_debug set_timeout set_retry_count set_max_json_size
              test_python_bridge check_python_module);
          my @missing = grep { !Mine->can($_) } @methods;
          my $early = Mine->can('is_connected');
          my $mine = Mine->new;
          my @results = $mine->pipeline(['test.echo', { a => 'b' }]);
          print join ' ', @missing, $results[0], $results[1]{a}, $mine->call_python('test', 'ping')->{ours}, $mine->$early, "\n";
          eval { $mine->nothing_like_it };
          print $@ =~ /^Can't locate object method "nothing_like_it"/ ? "well\n" : $@;
        },
        "-I$lib"
    ),
    "mine b 1 1 \nwell\n",
    'a class that inherits'
);

# A handler that dies while something is loaded, whatever that is: whoever set it gets its words, and it is loaded anew the next time. In a
# script that has loaded nothing of it itself.
for my $file (qw(warnings/register overload overloading constant Carp Errno Exporter Socket XSLoader B Time/HiRes)) {
    local $ENV{BREAK_AT} = $file;
    my $said = said_by(
        q{use strict; use warnings; use CPANBridge;
          my $bridge = CPANBridge->new;
          my @warnings;
          $SIG{__WARN__} = sub { push @warnings, @_ };
          my $times = 0;
          unshift @INC, sub { kill ALRM => $$ if $_[1] eq "$ENV{BREAK_AT}.pm" && !$times++; return };
          my $done = eval { local $SIG{ALRM} = sub { die "enough\n" }; $bridge->call('test.echo', { n => 1.5 }); $bridge->call_python('test', 'ping'); $bridge->call('no.such'); 1 };
          my $why = $done ? 'done' : ref $@ ? $@->code : $@ eq "enough\n" ? 'broken off' : $@;
          my @after = map { eval { $bridge->call('no.such') }; ref $@ ? $@->code : $@ } 1, 2;
          print join ' ', $times ? $why : 'not loaded', @after, $bridge->call('test.echo', { n => 2.5 })->{n}, $bridge->call_python('no', 'such')->{code},
              scalar(() = CPANBridge->new(timeout => 5)->pipeline(['test.ping'])), @warnings;
        },
        "-I$lib"
    );
    like($said, qr/\A(?:broken off|not loaded|unknown_module) unknown_module unknown_module 2\.5 unknown_module 1\z/, "a handler that dies while $file is loaded");
}

# Whoever wraps a method, or keeps a reference to it, has it as it was, before and after the rest is loaded.
is(
    said_by(
        q{use strict; use warnings; use CPANBridge; no warnings 'redefine';
          my $bridge = CPANBridge->new;
          my ($seen, $early) = (0, \&CPANBridge::call_python);
          *CPANBridge::call_python = sub { $seen++; goto &$early };
          $bridge->call_python('test', 'ping') for 1, 2;
          eval { $bridge->call('no.such') };
          $bridge->set_debug(0);
          $bridge->call_python('test', 'ping');
          { local *CPANBridge::pipeline = sub { 'mock' }; print $bridge->pipeline, ' '; }
          my @real = $bridge->pipeline(['test.echo', { a => 'b' }]);
          print "$seen $real[0]{a} ", $early->($bridge, 'test', 'ping')->{success}, "\n";
        },
        "-I$lib"
    ),
    "mock 3 b 1\n",
    'methods that are wrapped'
);

# Without descriptors nothing can be loaded. The existing interface never dies, and later all is well.
{
    my $directory = tempdir(CLEANUP => 1);
    open my $out, '>', "$directory/script.pl" or die $!;
    print {$out} q{use strict; use warnings; use CPANBridge;
        my $bridge = CPANBridge->new;
        $bridge->call_python('test', 'echo', { a => 'b' });
        my @held;
        while (open my $in, '<', '/dev/null') { push @held, $in }
        my $result = $bridge->call_python('test', 'echo', { list => [1.5] });
        @held = ();
        print $result->{success}, ' ', $result->{error} =~ /^can't load B\.pm: .*Too many open files/ ? 'told' : $result->{error}, ' ',
            $bridge->call_python('test', 'echo', { list => [1.5] })->{list}[0], "\n";
    };
    close $out;
    local $ENV{CPAN_BRIDGE_SOCKET} = $socket;
    is(scalar qx{ulimit -n 40; $^X -I$lib $directory/script.pl 2>&1}, "0 told 1.5\n", 'a script that has no descriptor left');
}

done_testing();
