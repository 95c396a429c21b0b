#!/usr/bin/env perl
use strict;
use warnings;

use Cwd qw(abs_path getcwd);
use File::Basename qw(dirname);
use File::Find ();
use File::Path qw(rmtree);
use File::Temp ();
use Getopt::Long qw(GetOptions);
use Pod::Usage qw(pod2usage);
use TAP::Parser;

my $top = dirname(dirname(dirname(abs_path(__FILE__))));
require "$top/perl/t/lib/TestBroker.pm";

GetOptions(
    'timeout=i' => \(my $timeout = 120),
    'verbose'   => \my $verbose,
    'original'  => \my $original,
    'keep-lib'  => \my $keep_lib,
    'help|h'    => \my $help,
) or pod2usage(2);
# Not by perldoc, which is a package of its own.
pod2usage(-verbose => 2, -noperldoc => 1, -exitval => 0) if $help;
@ARGV == 1 or pod2usage(-message => 'one suite, please', -exitval => 2);
my $suite = abs_path($ARGV[0]);
defined $suite && -d $suite or die "$ARGV[0]: there is no such directory\n";

# Its tests are made of its own insides; what they are about is in its corpus.
exec $^X, "$top/tests/conformance/http_tiny.pl", $verbose ? '--verbose' : (), $suite if -d "$suite/corpus" && -e "$suite/lib/HTTP/Tiny.pm";

# A copy, so that nothing is left in the suite, without what would be taken for the module instead of ours.
my $tree = File::Temp::tempdir('conformance-XXXXXXXX', TMPDIR => 1, CLEANUP => 1);
system('cp', '-R', "$suite/.", $tree) == 0 or exit 2;
rmtree([map { "$tree/$_" } qw(blib .git)]);
if (!$keep_lib) {
    rmtree("$tree/lib");
    unlink glob "$tree/*.pm";
}

my @files;
if (-d "$tree/t") {
    File::Find::find({ no_chdir => 1, wanted => sub { push @files, substr $_, 1 + length $tree if /\.t\z/ && -f } }, "$tree/t");
}
push @files, 'test.pl' if -e "$tree/test.pl";
@files = sort @files or die "$suite has neither t/*.t nor test.pl\n";

my $broker = TestBroker->start('--log-level', 'error');
$ENV{CPAN_BRIDGE_SOCKET} = $broker->socket_path;
# Behind the stand-ins, so that they are what the suite's modules stand on even if it brings one of the same name.
my $perl5lib = join ':', $keep_lib ? "$tree/lib" : (), defined $ENV{PERL5LIB} ? $ENV{PERL5LIB} : ();
$ENV{PERL5LIB} = join ':', "$top/perl/lib", "$top/perl/compat", length $perl5lib ? $perl5lib : ();
# Suites have test modules beside their tests, and old ones expect to be run where they stand.
$ENV{PERL_USE_UNSAFE_INC} = 1;
my $before = getcwd();
chdir $tree or die "$tree: $!\n";

my %all = (files => 0, whole => 0, planned => 0, passed => 0, original => 0, behind => 0);
for my $file (@files) {
    my $seen = run($file);
    $all{files}++;
    $all{whole}++ if $seen->{whole};
    $all{$_} += $seen->{$_} for qw(planned passed);
    my $beside = $original ? beside_original($file, $seen) : '';
    printf "%-40s %5d of %5d passed%s%s\n", $file, @{$seen}{qw(passed planned)}, $beside, $seen->{note} ? "; $seen->{note}" : '';
}
chdir $before or die "$before: $!\n";
printf "%d of %d files, %d of %d tests passed\n", @all{qw(whole files passed planned)};
printf "the original passes %d, of which %d do not pass here\n", @all{qw(original behind)} if $original;
exit($original ? $all{behind} == 0 ? 0 : 1 : $all{whole} == $all{files} ? 0 : 1);

# What comes of a file with the host's own modules, and how many tests pass with those alone.
sub beside_original {
    my ($file, $ours) = @_;
    local @ENV{qw(PERL5LIB CPAN_BRIDGE_SOCKET)} = ($perl5lib, '/nonexistent/broker.sock');
    delete $ENV{PERL5LIB} if !length $perl5lib;
    my $seen = run($file);
    my %passed = map { $_ => 1 } split ' ', $ours->{which};
    my @behind = grep { !$passed{$_} } split ' ', $seen->{which};
    $all{original} += $seen->{passed};
    $all{behind} += @behind;
    return sprintf ' (original %d%s)', $seen->{passed}, @behind ? '; behind it in ' . join ' ', @behind > 12 ? (@behind[0 .. 11], '...') : @behind : '';
}

# What came of one file. A test that was skipped, or that never came because the file ended before, has not passed.
sub run {
    my ($file) = @_;
    my $taint = taint_of($file);
    # A process of its own, so that one that hangs can be ended with all that it started.
    pipe my $read, my $write or die "pipe: $!\n";
    my $pid = fork;
    die "fork: $!\n" if !defined $pid;
    if (!$pid) {
        close $read;
        setpgrp 0, 0;
        my $result = look_at(TAP::Parser->new({ source => $file, switches => [$taint ? $taint : ()], merge => $verbose ? 0 : 1 }));
        print {$write} join "\0", map { defined $_ ? $_ : '' } @{$result}{qw(planned passed whole note which)};
        close $write;
        # Without the broker's end, which is the parent's.
        require POSIX;
        POSIX::_exit(0);
    }
    close $write;
    my $said = '';
    my $in_time = eval {
        local $SIG{ALRM} = sub { die "late\n" };
        alarm $timeout;
        $said = do { local $/; readline $read };
        alarm 0;
        1;
    };
    kill 'KILL', -$pid if !$in_time;
    waitpid $pid, 0;
    return { planned => 1, passed => 0, whole => 0, which => '', note => "not done after $timeout seconds" } if !$in_time;
    my %seen;
    @seen{qw(planned passed whole note which)} = split /\0/, $said, -1;
    $seen{$_} ||= 0 for qw(planned passed whole);
    return \%seen;
}

sub taint_of {
    my ($file) = @_;
    open my $in, '<', $file or return;
    my $first = readline $in;
    return defined $first && $first =~ /\A#!.*\bperl\S*\s.*?-\w*([tT])/ ? "-$1" : undef;
}

sub look_at {
    my ($parser) = @_;
    my ($skipped, $last, %skipped) = (0, '');
    while (my $result = $parser->next) {
        print $result->as_string, "\n" if $verbose;
        $last = $result->as_string if $result->is_unknown && $result->as_string =~ /\S/;
        next if !$result->is_test;
        $skipped++, $skipped{ $result->number } = 1 if $result->has_skip;
    }
    my $planned = $parser->tests_planned || $parser->tests_run;
    my @which = grep { !$skipped{$_} } $parser->actual_passed;
    my $passed = @which;
    my @failed = $parser->actual_failed;
    my $note
        = $parser->skip_all               ? 'skipped: ' . $parser->skip_all
        : @failed                         ? 'failed: ' . join(' ', @failed > 12 ? (@failed[0 .. 11], '...') : @failed)
        : $parser->exit || $parser->wait  ? "ended with status " . $parser->exit . ": $last"
        : $parser->tests_run != $planned  ? "ended after test " . $parser->tests_run
        : $skipped                        ? "$skipped skipped"
        :                                   '';
    # A file that is skipped as a whole counts as one test that has not passed.
    $planned = 1 if $parser->skip_all || !$planned;
    my $whole = !$parser->has_problems && !$parser->skip_all && !$skipped && $passed == $planned;
    $note =~ s/[\0\n].*//s;
    return { planned => $planned, passed => $passed, whole => $whole ? 1 : 0, note => substr($note, 0, 120), which => "@which" };
}

__END__

=head1 NAME

run.pl - runs a CPAN distribution's own tests on the stand-ins

=head1 SYNOPSIS

    CPAN_BRIDGE_BIN=target/debug/cpan-bridge perl tests/conformance/run.pl [--timeout 120] [--verbose] [--original] [--keep-lib] DIRECTORY

=head1 DESCRIPTION

DIRECTORY is a checked-out distribution. Its tests run in a copy without its C<lib>, C<blib> and modules at the top, with F<perl/lib> and
F<perl/compat> first, against a broker of their own. For each file it says how many tests passed of how many, and what was wrong; at the end
the sums. A test that was skipped, or never came, has not passed. The exit status is 0 if every file passed as a whole, 1 if not, 2 for a
wrong use.

With C<--original> each file runs a second time, with the host's own modules, and what passes with those alone is told: then the exit status
is 0 if nothing does.

C<--keep-lib> is for a distribution that stands on modules we replace and is replaced itself by none: its C<lib> and the modules at its top
stay, and C<lib> comes behind the stand-ins and before the host's modules. Without it the module under test would be the host's, if it has one.

C<make conformance SUITE=DIRECTORY> builds the broker and runs this; C<OPTIONS=--keep-lib> gives it options.

=cut
