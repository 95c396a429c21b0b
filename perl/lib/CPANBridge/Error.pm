package CPANBridge::Error;

use strict;
use warnings;

our $VERSION = '0.100';

# Packages that no error is to name a line of, here and in Carp, which need not be loaded for that: all of ours, and the stand-ins
# (CPANBridge::Shared adds those).
our @OURS = map { $_ eq 'CPANBridge' ? $_ : "CPANBridge::$_" } qw(CPANBridge Ahead Batch BlockCipher Bytes Chain Compat Clock Connection Envelope Error File Frozen File::Part Handle HTTP HTTP::Answer
    HTTP::Exchange HTTP::Proxy HTTP::Settings HTTP::Transfer Lane Launcher Loader Locator MessagePack MessagePack::Boolean Parts Places Progress Session
    Shared Ticket TLS Wire);
our %OURS;

sub know {
    my (@packages) = @_;
    no warnings 'once';
    $Carp::Internal{$_} = $OURS{$_} = 1 for @packages;
    return;
}
know(@OURS);

use overload
    '""'     => sub { $_[0]->as_string },
    'bool'   => sub { 1 },
    fallback => 1;

sub new {
    my ($class, %fields) = @_;
    my $self = bless {%fields}, $class;
    @{$self}{qw(file line)} = _caller() unless defined $self->{file};
    return $self;
}

sub code    { return $_[0]->{code} }
sub message { return $_[0]->{message} }
sub data    { return $_[0]->{data} }
sub detail  { return $_[0]->{detail} }
sub method  { return $_[0]->{method} }
sub file    { return $_[0]->{file} }
sub line    { return $_[0]->{line} }

sub as_string {
    my ($self) = @_;
    my $method = defined $self->{method} ? "$self->{method}: " : '';
    # One line, whatever the script has taken for a method's name.
    $method =~ s/[\x00-\x1f\x7f]+/ /g;
    return "$method$self->{message} ($self->{code}) at $self->{file} line $self->{line}.\n";
}

# Of an answer that is not what the protocol says.
sub bad_answer {
    my ($method, $why) = @_;
    return __PACKAGE__->new(code => 'protocol', method => $method, message => "the broker's answer $why");
}

sub is_one { return ref $_[0] && UNIVERSAL::isa($_[0], __PACKAGE__) }

# The place in the script: the nearest caller that is neither of ours nor of a stand-in.
sub _caller {
    my $level = 0;
    my ($file, $line) = ($0, 0);
    while (my ($package, $at, $number) = caller $level++) {
        ($file, $line) = ($at, $number);
        last if !$OURS{$package};
    }
    return ($file, $line);
}

1;

__END__

=encoding utf8

=head1 NAME

CPANBridge::Error - why a call failed

=head1 SYNOPSIS

    my $result = eval { $bridge->call('crypto.decrypt', \%params) };
    if (my $error = $@) {
        die $error unless ref $error && $error->isa('CPANBridge::Error');
        warn "no such cipher\n" if $error->code eq 'not_found';
    }

=head1 DESCRIPTION

L<CPANBridge/call> dies with such an object. It is true, and as a string it is one line that ends with the file and line
of the script.

=head1 METHODS

=head2 new

    CPANBridge::Error->new(code => 'failed', message => '...', data => undef, method => 'crypto.new');

Makes one; the place is that of the nearest caller outside of CPANBridge and its stand-ins.

=head2 bad_answer

    die CPANBridge::Error::bad_answer('crypto.new', 'has no cipher_id');

One of code C<protocol>, for a broker that answers something else than it should.

=head2 code

The kind of failure. From the broker: C<unknown_module>, C<unknown_function>, C<invalid_params>, C<not_found>, C<denied>,
C<too_large>, C<overloaded>, C<timeout>, C<cancelled>, C<unavailable>, C<failed>, C<internal>, C<protocol>. From the client:
C<connect> (no broker could be reached), C<lost> (the connection broke after the request was sent; the call may have run),
C<timeout>, C<cancelled>, C<protocol>, C<invalid_params> (a value that has no MessagePack form).

=head2 message

One line for a person.

=head2 data

A hash with what it is about, or undef: C<parameter>, C<available>.

=head2 detail

A hash with what another system said (a database, a parser, a mail server) in its own terms, or undef: C<number>, C<state>, C<reply>, C<line>,
C<column> and the like, plain numbers and texts.

=head2 method

What was called, C<module.function>.

=head2 file

=head2 line

Where the script called it.

=head2 know

    CPANBridge::Error::know(@packages);

A function: from now on no error names a line of these packages.

=head2 is_one

    CPANBridge::Error::is_one($@) or die $@;

A function: whether what was caught is such an object. What a signal's handler of the script died of is the script's.

=head2 as_string

The line that the object is as a string.

=cut
