# Classes that inherit as those of the old client do: own arguments, own keys, a destructor that calls.
use strict;
use warnings;
use lib 'perl/t/lib', 'perl/lib';
use Test::More;
use CPANBridge;
use TestBroker;

{
    package CryptHelper;
    use Carp;
    our @ISA = ('CPANBridge');

    sub new {
        my ($class, %args) = @_;
        my $self = $class->SUPER::new(%args);
        $self->{config} = { cipher => $args{cipher} || 'Blowfish' };
        $self->{_cleaned} = 0;
        my $result = $self->call_python('crypto', 'new', { key => $args{key}, cipher => $self->{config}{cipher} });
        croak "Failed to create cipher: $result->{error}" unless $result->{success};
        $self->{cipher_id} = $result->{result}->{cipher_id};
        return $self;
    }

    sub encrypt_hex {
        my ($self, $text) = @_;
        my $result = $self->call_python('crypto', 'encrypt',
            { cipher_id => $self->{cipher_id}, plaintext_hex => unpack 'H*', $text });
        croak $result->{error} unless $result->{success};
        return $result->{result}->{encrypted};
    }

    sub decrypt_hex {
        my ($self, $hex) = @_;
        my $result = $self->call_python('crypto', 'decrypt', { cipher_id => $self->{cipher_id}, hex_ciphertext => $hex });
        croak $result->{error} unless $result->{success};
        return pack 'H*', $result->{result}->{decrypted_hex};
    }

    sub DESTROY {
        my ($self) = @_;
        $self->call_python('crypto', 'cleanup_cipher', { cipher_id => $self->{cipher_id} }) if $self->{cipher_id};
    }
}

my $broker = TestBroker->start;
$ENV{CPAN_BRIDGE_SOCKET} = $broker->socket_path;

my $helper = CryptHelper->new(key => 'my secret key', cipher => 'Rijndael', debug => 0, of_its_own => [1]);
isa_ok($helper, 'CPANBridge');
is($helper->decrypt_hex($helper->encrypt_hex('Hello')), 'Hello', 'a helper class works');
is($helper->{config}{cipher}, 'Rijndael', 'with keys of its own');
is($helper->decrypt_hex($helper->encrypt_hex('')), '', 'an empty text');

my $probe = CPANBridge->new;
is($probe->call('system.metrics')->{handle_summary}{cipher}, 1, 'one cipher lives');
eval { die "as it was\n"; };
undef $helper;
is($@, "as it was\n", 'a destructor that calls leaves $@ alone');
is_deeply($probe->call('system.metrics')->{handle_summary}, {}, 'and frees its cipher');

ok(!eval { CryptHelper->new(key => 'x', cipher => 'Nonsense'); 1 }, 'a failed constructor');
like($@, qr/Failed to create cipher: Unsupported cipher algorithm: Nonsense/, 'with the message that scripts match');

# At the end of the program, in whatever order things are destroyed.
my $lib = TestBroker::top() . '/perl/lib';
my $script = <<'SCRIPT';
use strict; use warnings; use CPANBridge;
package Late; our @ISA = ('CPANBridge');
sub DESTROY { my $self = shift; $self->call_python('test', 'ping'); $self->call_python('test', 'echo', { a => 1 }) }
package main;
our $global = Late->new; our %more = (a => Late->new, b => [Late->new]);
$global->call_python('test', 'ping'); $more{a}->call_python('test', 'ping');
our $cycle = Late->new; $cycle->{self} = $cycle;
exit 3;
SCRIPT
$script =~ s/'/"/g;
# Perl's hashes, and with them the order of destruction, are different each time.
my (%codes, %said);
for my $seed (1 .. 20) {
    local $ENV{PERL_HASH_SEED} = $seed;
    $said{ qx{$^X -I$lib -we '$script' 2>&1} }++;
    $codes{ $? >> 8 }++;
}
is_deeply(\%codes, { 3 => 20 }, 'the exit code is the script\'s');
is_deeply(\%said, { '' => 20 }, 'and nothing is said');

done_testing;
