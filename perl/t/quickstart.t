# docs/quickstart.md, as a new user follows it: every command, in one shell, and what it is to print.
use strict;
use warnings;
use lib 'perl/t/lib';
use Test::More;
use File::Temp ();
use TestBroker;

my $top = TestBroker::top();
# Where root has a directory for temporary files of his own, the user of this test can't go.
delete $ENV{TMPDIR} if $> == 0;
my $home = File::Temp::tempdir(CLEANUP => 1);

# The archive, of the program under test, whatever C library that is for.
my $made = do {
    local $ENV{GLIBC} = '99';
    # Without what makes packing it slow, if there is something to take that off with.
    my $program = "$home/cpan-bridge";
    $program = TestBroker::binary() if system("strip -o '$program' '@{[ TestBroker::binary() ]}' >/dev/null 2>&1") != 0;
    qx{sh $top/packaging/dist.sh tar $program $home/out};
};
is($?, 0, 'packed') or BAIL_OUT('no archive');
my ($archive) = glob "$home/out/*.tar.gz";
chomp(my $machine = qx{uname -m});

open my $page, '<', "$top/docs/quickstart.md" or die $!;
my @steps;
my $inside = '';
while (my $line = <$page>) {
    if ($line =~ /^```(\w*)/) {
        $inside = $1;
        push @steps, { commands => '', expected => '' } if $inside eq 'sh';
        next;
    }
    $steps[-1]{commands} .= $line if $inside eq 'sh';
    $steps[-1]{expected} .= $line if $inside eq 'text';
}
ok(@steps >= 8, 'there are commands');

# A home of its own, and a root of its own for what sudo does.
mkdir "$home/$_" or die $! for qw(shims run root user);
chmod 0700, "$home/run";
shim('sudo', qq{DESTDIR=$home/root exec "\$@"\n});
sub shim {
    my ($name, $text) = @_;
    open my $file, '>', "$home/shims/$name" or die $!;
    print $file "#!/bin/sh\n$text";
    close $file;
    chmod 0755, "$home/shims/$name";
    return;
}
delete @ENV{qw(PERL5LIB CPAN_BRIDGE_BIN PREFIX DESTDIR BINDIR MANDIR PERL_LIBDIR SYSCONFDIR MAKEFLAGS)};
local @ENV{qw(HOME XDG_RUNTIME_DIR PATH)} = ("$home/user", "$home/run", "$home/shims:$ENV{PATH}");
chdir "$home/user" or die $!;
symlink $archive, (split m{/}, $archive)[-1] or die $!;

# One shell for all of them; each tells where its output ends, and how its last command did.
my $script = '';
for my $step (@steps) {
    my $commands = $step->{commands};
    $commands =~ s/linux-x86_64/linux-$machine/g;
    # The live view wants a terminal, and somebody to press a key.
    $commands =~ s{^cpan-bridge top$}{(sleep 1; printf q) | TERM=xterm script -qec 'cpan-bridge top' /dev/null >/dev/null}m;
    $script .= "$commands\necho \"-- \$?\"\n";
}
open my $file, '>', "$home/script" or die $!;
print $file $script;
close $file;
# By a user who has nothing yet: the developer's own may have a broker in the usual place.
my $said = do {
    pipe my $read, my $write or die $!;
    my $pid = fork;
    die $! if !defined $pid;
    if (!$pid) {
        open STDIN,  '<',  '/dev/null' or die;
        open STDOUT, '>&', $write      or die;
        open STDERR, '>&', $write      or die;
        if ($> == 0) {
            my $user = 300_000 + $$;
            system('chown', '-R', "$user:$user", $home) == 0 or die;
            ($(, $)) = ($user, "$user $user");
            ($<, $>) = ($user, $user);
        }
        exec 'sh', "$home/script" or die;
    }
    close $write;
    my $text = do { local $/; readline $read };
    waitpid $pid, 0;
    $text;
};
my @outputs = split /^-- (\d+)\n/m, $said;
for my $step (@steps) {
    my ($output, $status) = splice @outputs, 0, 2;
    my ($first) = split /\n/, $step->{commands};
    # `status` tells by its own that there is no broker yet.
    is($status, $step->{expected} =~ /^unreachable/ ? 3 : 0, $first) or diag $output;
    next if !length $step->{expected};
    # Other tests have brokers at this moment.
    $output =~ s/^  others   .*\n//m;
    my $pattern = join '', map { pattern($_) } split /(\.\.\.|[0-9.]*[0-9]|\s+)/, $step->{expected};
    like($output, qr/\A\s*$pattern/s, "$first: prints what the page says");
}
sub pattern {
    my ($part) = @_;
    return '.*?' if $part eq '...';
    return '[0-9.]+' if $part =~ /\A[0-9.]*[0-9]\z/ && length $part < 8;
    return '\s+' if $part =~ /\A\s+\z/;
    return quotemeta $part;
}
ok(-x "$home/root/usr/local/bin/cpan-bridge", 'sudo ./setup install');
chdir '/' or die $!;

done_testing;
