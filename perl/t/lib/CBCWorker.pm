package CBCWorker;

# A process that does with whichever Crypt::CBC it finds what it is told, a line of JSON a time: so that the original and
# the stand-in can be asked the same.

use strict;
use warnings;

use IPC::Open2 ();
use JSON::PP ();

my $JSON = JSON::PP->new->canonical;

sub start {
    my ($class, @include) = @_;
    my $pid = IPC::Open2::open2(my $out, my $in, $^X, (map { "-I$_" } @include), '-MCBCWorker', '-e', 'CBCWorker::serve()');
    $in->autoflush(1);
    my $self = bless { pid => $pid, out => $out, in => $in }, $class;
    local $/ = "\n";
    $self->{found} = readline $out;
    return defined $self->{found} && $self->{found} =~ /^found/ ? $self : undef;
}

sub ask {
    my ($self, $task) = @_;
    print { $self->{in} } $JSON->encode($task), "\n";
    local $/ = "\n";
    return $JSON->decode(scalar readline $self->{out});
}

sub DESTROY {
    my ($self) = @_;
    local $?;
    close $self->{in};
    waitpid $self->{pid}, 0;
    return;
}

sub serve {
    $| = 1;
    my $real = eval { require Crypt::CBC; Crypt::CBC->VERSION('3.04'); require Crypt::Cipher::AES if $INC{'Crypt/CBC.pm'} !~ /compat/; 1 };
    print $real ? "found $INC{'Crypt/CBC.pm'}\n" : "none\n";
    while (my $line = readline STDIN) {
        print $JSON->encode(answer($JSON->decode($line))), "\n";
    }
    return;
}

sub options {
    my ($given) = @_;
    return map { $_ => /-(?:key|pass|iv|salt)\z/ ? pack('H*', $given->{$_}) : $given->{$_} } keys %$given;
}

sub answer {
    my ($task) = @_;
    my @warnings;
    # The original returns nothing for pieces that give nothing, and has warnings of its own inside.
    local $SIG{__WARN__} = sub { push @warnings, $_[0] if $_[0] !~ /uninitialized/ };
    my $result = eval {
        my $cipher = Crypt::CBC->new(options($task->{options}));
        my $data = pack 'H*', $task->{data};
        my $out = '';
        if ($task->{piece}) {
            $cipher->start($task->{operation});
            for my $piece (unpack "(a$task->{piece})*", $data) {
                my $some = $cipher->crypt($piece);
                $out .= $some if defined $some;
            }
            $out .= $cipher->finish;
        }
        else {
            my $operation = $task->{operation};
            $out = $cipher->$operation($data);
        }
        unpack 'H*', $out;
    };
    my $error = defined $result ? '' : $@;
    s/ at \S+ line \d+.*//s for $error, @warnings;
    return { result => $result, error => $error, warnings => \@warnings };
}

1;
