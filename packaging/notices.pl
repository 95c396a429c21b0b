# The licences of what is linked into the program: every crate with the notices that lie in its source, each text once, and the
# notices of Rust's own library. Made from `cargo metadata`. notices.pl [MANIFEST] writes to standard output.
use strict;
use warnings;
use File::Find ();
use JSON::PP ();

my $manifest = @ARGV ? shift : 'Cargo.toml';
my $cargo = $ENV{CARGO} || 'cargo';
my $rustc = $ENV{RUSTC} || 'rustc';

sub said {
    my (@command) = @_;
    open my $pipe, '-|', @command or die "$command[0]: $!\n";
    local $/;
    my $text = <$pipe>;
    close $pipe or die "@command failed\n";
    return $text;
}

my ($host) = said($rustc, '-vV') =~ /^host: (\S+)/m;
my $metadata = JSON::PP->new->utf8->decode(said($cargo, 'metadata', '--format-version', 1, '--locked', '--filter-platform', $host,
    '--manifest-path', $manifest));
my %package = map { $_->{id} => $_ } @{ $metadata->{packages} };
my %node = map { $_->{id} => $_ } @{ $metadata->{resolve}{nodes} };

# What is reached by normal dependencies; macros run when it is built and leave nothing of theirs.
my %linked;
my @next = ($metadata->{resolve}{root});
while (defined(my $id = shift @next)) {
    next if $linked{$id}++;
    for my $dependency (@{ $node{$id}{deps} }) {
        next if !grep { !defined $_->{kind} } @{ $dependency->{dep_kinds} };
        next if grep { grep { $_ eq 'proc-macro' } @{ $_->{kind} } } @{ $package{ $dependency->{pkg} }{targets} };
        push @next, $dependency->{pkg};
    }
}
delete $linked{ $metadata->{resolve}{root} };

sub content {
    my ($path) = @_;
    open my $file, '<:raw', $path or die "$path: $!\n";
    local $/;
    my $text = <$file>;
    $text =~ s/\r\n?/\n/g;
    $text =~ s/[ \t]+$//mg;
    $text =~ s/\A\n+|\s+\z//g;
    return "$text\n";
}

# What a page says, without its markup.
sub plain {
    my ($text) = @_;
    $text =~ s{<(style|script|head)\b.*?</\1>}{}gis;
    $text =~ s{<[^>]*>}{}g;
    my %character = (lt => '<', gt => '>', quot => '"', amp => '&', '#39' => "'", '#x27' => "'");
    $text =~ s/&([#\w]+);/exists $character{$1} ? $character{$1} : "&$1;"/ge;
    $text =~ s/^[ \t]+$//mg;
    $text =~ s/\n{3,}/\n\n/g;
    $text =~ s/\A\s+//;
    return $text;
}

# Texts and who they are of.
my (%number, @texts);

sub note {
    my ($text, $of) = @_;
    if (!defined $number{$text}) {
        push @texts, { text => $text, of => [] };
        $number{$text} = @texts;
    }
    push @{ $texts[ $number{$text} - 1 ]{of} }, $of;
    return $number{$text};
}

print "cpan-bridge contains the following crates, under the licences that are named. Their texts follow, each once.\n\n";
for my $crate (sort { $a->{name} cmp $b->{name} || $a->{version} cmp $b->{version} } map { $package{$_} } keys %linked) {
    (my $directory = $crate->{manifest_path}) =~ s{/[^/]*\z}{};
    my @files;
    my $wanted = sub { push @files, $_ if -f && m{/(?:LICEN[CS]E|COPYING|COPYRIGHT|NOTICE|UNLICENSE)[^/]*\z}i && !m{\.rs\z} };
    File::Find::find({ no_chdir => 1, wanted => $wanted }, $directory);
    my $name = "$crate->{name} $crate->{version}";
    my %seen;
    my @notes = sort { $a <=> $b } grep { !$seen{$_}++ } map { note(content($_), $name) } sort @files;
    my $terms = defined $crate->{license} ? $crate->{license} : 'see its text';
    printf "%-42s %s%s\n", $name, $terms, @notes ? ' (text ' . join(', ', @notes) . ')' : '; by ' . (join(', ', @{ $crate->{authors} }) || 'its authors');
}
chomp(my $sysroot = said($rustc, '--print', 'sysroot'));
my @own = grep { -f } map { "$sysroot/share/doc/rust/$_" } qw(COPYRIGHT-library.html COPYRIGHT LICENSE-MIT LICENSE-APACHE);
my @notes = map { note(m{\.html\z} ? plain(content($_)) : content($_), "Rust's standard library") } @own;
print "\nRust's standard library: MIT OR Apache-2.0", (@notes ? ' (text ' . join(', ', @notes) . ')' : ''), "\n";
for my $number (1 .. @texts) {
    my $one = $texts[ $number - 1 ];
    my %seen;
    print "\n", '-' x 100, "\nText $number: ", join(', ', grep { !$seen{$_}++ } @{ $one->{of} }), "\n\n$one->{text}";
}
