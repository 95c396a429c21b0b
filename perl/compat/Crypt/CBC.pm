package Crypt::CBC;

# A stand-in for Crypt::CBC 3.04 that needs core Perl only: ciphers and PBKDF2 are computed by the broker cpan-bridge.
# Written from the original's documentation and from what it was seen to do; tests hold it against the original.

use strict;
use warnings;

use Carp qw(carp croak);
use CPANBridge::Chain ();
use Crypt::CBC::PBKDF ();

our $VERSION = '3.04';

use constant DEFAULT_PBKDF => 'opensslv1';
use constant DEFAULT_ITER  => 10_000;

my %OPTION = map { $_ => 1 } qw(
    pass key passphrase cipher keysize chain_mode pbkdf nodeprecate iter hasher header iv salt padding literal_key
    regenerate_key pcbc add_header generate_key prepend_iv
);

my %HEADER_MODE = map { $_ => 1 } qw(none salt randomiv);
my %CHAIN_MODE  = map { $_ => 1 } qw(cbc pcbc cfb ofb ctr);

# Classes that the broker stands in for: its name for the cipher, the key size that the class reports, the block size.
my %CLASS = (
    'Crypt::Cipher::AES'      => ['AES',      32, 16],
    'Crypt::Rijndael'         => ['AES',      32, 16],
    'Crypt::OpenSSL::AES'     => ['AES',      32, 16],
    'Crypt::Rijndael_PP'      => ['AES',      32, 16],
    'Crypt::Blowfish'         => ['Blowfish', 56, 8],
    'Crypt::Blowfish_PP'      => ['Blowfish', 56, 8],
    'Crypt::Cipher::Blowfish' => ['Blowfish', 56, 8],
    'Crypt::DES'              => ['DES',      8,  8],
    'Crypt::DES_PP'           => ['DES',      8,  8],
    'Crypt::Cipher::DES'      => ['DES',      8,  8],
    'Crypt::DES_EDE3'         => ['DES_EDE3', 24, 8],
    'Crypt::Cipher::DES_EDE'  => ['DES_EDE3', 24, 8],
    'Crypt::IDEA'             => ['IDEA',     16, 8],
    'Crypt::Cipher::IDEA'     => ['IDEA',     16, 8],
    'Crypt::CAST5'            => ['CAST5',    16, 8],
    'Crypt::CAST5_PP'         => ['CAST5',    16, 8],
    'Crypt::Cipher::CAST5'    => ['CAST5',    16, 8],
    'Crypt::Twofish'          => ['Twofish',  16, 16],
    'Crypt::Cipher::Twofish'  => ['Twofish',  32, 16],
);

sub new {
    my $class = shift;
    my $options = _options(@_);
    for my $name (sort keys %$options) {
        croak "'$name' is not a recognized argument" if !$OPTION{$name};
    }
    my $cipher = _cipher($options->{cipher});
    my $header_mode = _header_mode($options);
    my ($keysize, $blocksize) = _sizes($cipher, $options);

    # As in the original a false -pass is none, and a false -key is one.
    my $pass = $options->{pass} || $options->{passphrase} || $options->{key};
    if (ref $cipher) {
        carp 'Both a key and a pre-initialized Crypt::* object were passed. The key will be ignored' if defined $pass;
        $pass = '' if !defined $pass;
    }
    croak 'Please provide an encryption/decryption passphrase using -pass or -key' if !defined $pass;
    croak 'The options -literal_key and -regenerate_key are incompatible with each other'
        if exists $options->{literal_key} && exists $options->{regenerate_key};
    my $literal = $options->{literal_key} || (exists $options->{regenerate_key} && !$options->{regenerate_key});
    my $key = $literal ? $pass : undef;

    my ($salt, $iv) = @{$options}{qw(salt iv)};
    croak 'Argument to -salt must be exactly 8 bytes long' if defined $salt && $salt ne '1' && length $salt != 8;

    my $padding = _padding($options->{padding}, $blocksize);
    my $pbkdf = $options->{pbkdf}
        || ($options->{literal_key} ? 'none' : $header_mode eq 'randomiv' ? 'randomiv' : DEFAULT_PBKDF);
    my $iter = $options->{iter} || DEFAULT_ITER;
    croak '-iterations argument must be greater than or equal to 1' if $iter !~ /[\d_]+/ || $iter < 1;
    my $chain_mode = $options->{chain_mode} || ($options->{pcbc} ? 'pcbc' : 'cbc');

    $key = $pass if !$key && $pbkdf eq 'none';
    my $literal_key = defined $key;
    croak "Initialization vector must be exactly $blocksize bytes long when using the $cipher cipher"
        if defined $iv && length $iv != $blocksize;
    croak "invalid cipher block chain mode: $chain_mode" if !$CHAIN_MODE{$chain_mode};
    croak "If specified by -literal_key, then the key length must be equal to the chosen cipher's key length of $keysize bytes"
        if defined $key && length $key != $keysize;
    croak 'Cannot use salt-based key generation if literal key is specified' if $header_mode eq 'salt' && $literal_key;
    croak 'Cannot encrypt using a non-8 byte blocksize cipher when using randomiv header mode'
        if $header_mode eq 'randomiv' && $blocksize != 8;
    croak "If a key derivation function (-pbkdf) of 'none' is provided, a literal key and iv must be provided"
        if $pbkdf eq 'none' && (!defined $key || !defined $iv);
    croak "If a -header mode of 'randomiv' is provided, then the -pbkdf key derivation function must be 'randomiv' or undefined"
        if $header_mode eq 'randomiv' && $pbkdf ne 'randomiv';

    return bless {
        cipher           => $cipher,
        passphrase       => $literal ? undef : $pass,
        key              => $key,
        iv               => $iv,
        salt             => $salt,
        padding          => $padding,
        blocksize        => $blocksize,
        keysize          => $keysize,
        header_mode      => $header_mode,
        literal_key      => $literal_key,
        literal_iv       => defined $iv,
        chain_mode       => $chain_mode,
        make_random_salt => !defined $salt || $salt eq '1',
        make_random_iv   => !defined $iv,
        pbkdf            => $pbkdf,
        iter             => $iter,
        hasher           => $options->{hasher},
        nodeprecate      => $options->{nodeprecate},
    }, $class;
}

sub filehandle {
    my ($self, @args) = @_;
    eval { require Crypt::FileHandle; 1 }
        or croak 'Optional Crypt::FileHandle module must be installed to use the filehandle() method';
    return Crypt::FileHandle->new(ref $self ? $self : $self->new(@args));
}

# --- Whole messages

sub encrypt {
    my ($self, $data) = @_;
    $self->start('encrypting');
    return $self->_whole($data);
}

sub decrypt {
    my ($self, $data) = @_;
    $self->start('decrypting');
    return $self->_whole($data);
}

# As crypt and finish after each other, but so that a short message is one call to the broker.
sub _whole {
    my ($self, $data) = @_;
    $data = _as_bytes($data);
    my $result = $self->_begin(\$data);
    $self->_check_rijndael_compat(length $data);
    $self->_finish_with(\$result, \$data);
    return $result;
}

sub encrypt_hex { my ($self, $data) = @_; return unpack 'H*', $self->encrypt($data) }
sub decrypt_hex { my ($self, $data) = @_; return $self->decrypt(pack 'H*', $data) }

# --- In pieces

sub start {
    my ($self, $operation) = @_;
    croak 'Specify <e>ncryption or <d>ecryption' if $operation !~ /\A[ed]/i;
    delete $self->{crypt};
    $self->{begun}   = 0;
    $self->{buffer}  = '';
    $self->{decrypt} = $operation =~ /\Ad/i ? 1 : '';
    $self->_deprecation_warning;
    return;
}

sub crypt {    ## no critic (ProhibitBuiltinHomonyms)
    my ($self, $data) = @_;
    croak 'crypt() called without a preceding start()' if !exists $self->{buffer};
    $data = _as_bytes($data);
    my $result = $self->{begun} ? '' : $self->_begin(\$data);
    $self->_check_rijndael_compat(length $data);
    $self->{buffer} .= $data;
    my $blocksize = $self->{blocksize};
    my $length = length $self->{buffer};
    return $result if $length < $blocksize;
    # The last block stays until it is known whether it is the last one: when decrypting always, otherwise if it is not whole.
    my $whole = $length - $length % $blocksize;
    $whole -= $blocksize if $self->{decrypt} && $whole == $length;
    $self->{crypt}->next(\$result, \$self->{buffer}, $whole);
    substr $self->{buffer}, 0, $whole, '';
    return $result;
}

sub finish {
    my ($self) = @_;
    my $buffer = $self->{buffer};
    # Finished already, or never started.
    return '' if !defined $buffer;
    my $result = '';
    if (!$self->{begun}) {
        # Nothing was ever given: as the original, which has no cipher then.
        return '' if !length $buffer && $self->{padding} == \&_rijndael_compat;
        $result = $self->_begin(\$buffer);
    }
    $self->_finish_with(\$result, \$buffer);
    return $result;
}

# The rest of the message through the chain, behind $$result: padded before, or unpadded after.
sub _finish_with {
    my ($self, $result, $data) = @_;
    my ($blocksize, $padding) = @{$self}{qw(blocksize padding)};
    my $chain = delete $self->{crypt};
    delete $self->{buffer};
    $self->{begun} = 0;
    my $length = length $$data;
    return if !$length && $padding == \&_rijndael_compat;
    my $over = $length % $blocksize;
    if (!$self->_needs_padding) {
        return if !$length;
        croak "The ciphertext is cut off: it must be a multiple of $blocksize bytes"
            if $over && $self->{decrypt} && $self->{chain_mode} =~ /cbc\z/;
        # In these modes the original takes a last block that is not whole for one that ends in zero bytes.
        $$data .= "\0" x ($blocksize - $over) if $over && $self->{chain_mode} =~ /\A(?:p?cbc|cfb)\z/;
        return $chain->last($result, $data, length $$data, '');
    }
    if ($self->{decrypt}) {
        croak "The ciphertext is cut off: it must be a multiple of $blocksize bytes" if $over || !$length;
        $chain->last($result, $data, $length, '');
        my $rest = $padding->(substr($$result, -$blocksize, $blocksize, ''), $blocksize, 'd');
        $$result .= $rest if defined $rest;
        return;
    }
    return $chain->last($result, $data, $length, '') if !$over && $padding == \&_rijndael_compat;
    my $padded = $padding->(substr($$data, $length - $over), $blocksize, 'e');
    # A padding that makes nothing of nothing: the original encrypts the empty block, which is one of zero bytes then.
    $padded = "\0" x $blocksize if !defined $padded || !length $padded;
    return $chain->last($result, $data, $length - $over, $padded);
}

# The original looks at strings as Perl keeps them (`use bytes`): what is flagged as characters is its UTF-8.
sub _as_bytes {
    my ($data) = @_;
    return '' if !defined $data;
    utf8::encode($data) if utf8::is_utf8($data);
    return $data;
}

sub _check_rijndael_compat {
    my ($self, $length) = @_;
    croak "When using rijndael_compat padding, plaintext size must be a multiple of $self->{blocksize}"
        if $self->{padding} == \&_rijndael_compat && $self->_needs_padding && $length % $self->{blocksize};
    return;
}

sub _needs_padding {
    my ($self) = @_;
    return $self->{chain_mode} =~ /\Ap?cbc\z/ && $self->{padding} != \&_no_padding;
}

# Key and initialization vector, from the options or the message's header; the cipher with them. Returns the header to
# write.
sub _begin {
    my ($self, $data) = @_;
    my $header = $self->{decrypt} ? $self->_read_header($data) : $self->_make_header;
    croak 'Could not derive key or iv from cipher stream, and you did not specify these values in new()'
        if !ref $self->{cipher} && !(defined $self->{key} && length $self->{key}) || !defined $self->{iv};
    croak 'Taint checks are turned on and your key is tainted. Please untaint the key and try again'
        if ${^TAINT} && !$self->{decrypt} && _tainted($self->{key});
    $self->{crypt} = $self->_chain;
    $self->{begun} = 1;
    return $header;
}

sub _chain {
    my ($self) = @_;
    my %common = (
        chain_mode => $self->{chain_mode},
        direction  => $self->{decrypt} ? 'decrypt' : 'encrypt',
        iv         => $self->{iv},
    );
    my $cipher = $self->{cipher};
    if (!ref $cipher && (my $known = $CLASS{ _full_name($cipher) })) {
        return CPANBridge::Chain->new(%common, cipher => $known->[0], key => $self->{key});
    }
    my $object = ref $cipher ? $cipher : $cipher->new($self->{key});
    croak "Could not create $cipher object: $@" if !$object;
    return CPANBridge::Chain->new(%common, cipher => $object->algorithm, key => $object->key) if _is_of_one_block($object);
    require Crypt::CBC::LiveChain;
    return Crypt::CBC::LiveChain->new(%common, cipher => $object, blocksize => $self->{blocksize});
}

# Whether it is a stand-in whose every block is the cipher's alone, so that the broker can chain it.
sub _is_of_one_block {
    my ($object) = @_;
    return eval { $object->isa('CPANBridge::BlockCipher') } && ($object->{chain_mode} || 'ecb') eq 'ecb' && !$object->{padding};
}

sub _make_header {
    my ($self) = @_;
    $self->{salt} = $self->random_bytes(8) if $self->{make_random_salt};
    $self->set_key_and_iv;
    return "Salted__$self->{salt}" if $self->{header_mode} eq 'salt';
    return '' if $self->{header_mode} ne 'randomiv';
    $self->{salt} = undef;
    return "RandomIV$self->{iv}";
}

sub _read_header {
    my ($self, $data) = @_;
    my $mode = $self->{header_mode};
    if ($mode eq 'none') {
        $self->{salt} ||= $self->random_bytes(8);
        $self->set_key_and_iv;
        return '';
    }
    my ($name, $value) = $$data =~ /\A(Salted__|RandomIV)(.{8})/s;
    croak "Ciphertext does not begin with a valid header for '$mode' header mode"
        if !defined $value || $name ne ($mode eq 'salt' ? 'Salted__' : 'RandomIV');
    substr $$data, 0, 16, '';
    if ($mode eq 'salt') {
        $self->{salt} = $value;
        my ($key, $iv) = $self->pbkdf_obj->key_and_iv($value, $self->{passphrase});
        $self->{key} = $key if !$self->{literal_key};
        $self->{iv}  = $iv  if !$self->{literal_iv};
        return '';
    }
    croak "randomiv header mode cannot be used securely when decrypting with a >8 byte block cipher.\n"
        if $self->{blocksize} != 8;
    $self->{iv} = $value;
    my ($key) = $self->{literal_key} ? $self->{key} : $self->pbkdf_obj->key_and_iv(undef, $self->{passphrase});
    $self->{key} = $key;
    return '';
}

sub set_key_and_iv {
    my ($self) = @_;
    if (!$self->{literal_key}) {
        my ($key, $iv) = $self->pbkdf_obj->key_and_iv(@{$self}{qw(salt passphrase)});
        $self->{key} = $key;
        $self->{iv}  = $iv if $self->{make_random_iv};
    }
    elsif ($self->{make_random_iv}) {
        $self->{iv} = $self->random_bytes($self->{blocksize});
    }
    croak 'Salt must be exactly 8 bytes long' if length $self->{salt} != 8;
    croak "IV must be exactly $self->{blocksize} bytes long" if length $self->{iv} != $self->{blocksize};
    return;
}

sub pbkdf_obj {
    my ($self) = @_;
    my $hasher = $self->{hasher};
    return Crypt::CBC::PBKDF->new($self->{pbkdf} => {
        key_len    => $self->{keysize},
        iv_len     => $self->{blocksize},
        iterations => $self->{iter},
        $hasher ? ref $hasher ? (hasher => $hasher) : (hash_class => $hasher) : (),
    });
}

sub _deprecation_warning {
    my ($self) = @_;
    return if $self->{nodeprecate} || $self->{decrypt} || $self->{pbkdf} !~ /\A(?:opensslv1|randomiv)\z/;
    carp <<"END";
WARNING: The key derivation method "$self->{pbkdf}" is deprecated. Using -pbkdf=>'pbkdf2' would be better.
Pass -nodeprecate=>1 to inhibit this message.
END
    return;
}

# --- Options

sub _options {
    my @args = @_;
    return { %{ $args[0] } } if ref $args[0] eq 'HASH';
    if (defined $args[0] && $args[0] =~ /\A-[a-zA-Z_]{1,20}\z/) {
        my %named = @args;
        return { map { my $name = lc; $name =~ s/\A-//; ($name => $named{$_}) } keys %named };
    }
    return { key => $args[0], cipher => $args[1] };
}

sub _full_name {
    my ($name) = @_;
    return $name =~ /\ACrypt::/ ? $name : "Crypt::$name";
}

# The class, or the object itself. Classes that the broker stands in for are not loaded, whether they are there or not.
sub _cipher {
    my ($given) = @_;
    $given = 'Crypt::Cipher::AES' if !$given;
    return $given if ref $given;
    my $class = _full_name($given);
    return $class if $CLASS{$class};
    (my $file = "$class.pm") =~ s{::}{/}g;
    $class->can('encrypt') or eval { require $file; 1 } or croak "Couldn't load $class: $@";
    # Some modules carry the name in another package than they are called.
    $class =~ s/\ACrypt::// if !$class->can('keysize');
    return $class;
}

sub _header_mode {
    my ($options) = @_;
    my $mode = $options->{header};
    for my $old (qw(prepend_iv add_header)) {
        $mode ||= 'none' if exists $options->{$old} && !$options->{$old};
    }
    $mode ||= 'none' if $options->{literal_key} || (exists $options->{pbkdf} && $options->{pbkdf} eq 'none');
    $mode ||= 'salt';
    croak "Invalid -header mode '$mode'" if !$HEADER_MODE{$mode};
    return $mode;
}

sub _sizes {
    my ($cipher, $options) = @_;
    if (!ref $cipher && (my $known = $CLASS{$cipher})) {
        return ($options->{keysize} || $known->[1], $known->[2]);
    }
    my $keysize = $options->{keysize} || eval { $cipher->keysize } || eval { $cipher->max_keysize }
        or croak "Cannot derive keysize from $cipher";
    my $blocksize = eval { $cipher->blocksize } or croak "$cipher did not provide a blocksize";
    return ($keysize, $blocksize);
}

my %PADDING = (
    none            => \&_no_padding,
    null            => \&_null_padding,
    space           => \&_space_padding,
    oneandzeroes    => \&_oneandzeroes_padding,
    rijndael_compat => \&_rijndael_compat,
    standard        => \&_standard_padding,
);

sub _padding {
    my ($padding, $blocksize) = @_;
    $padding ||= 'standard';
    if (ref $padding eq 'CODE') {
        for my $length (1 .. $blocksize - 1) {
            my $got = length $padding->(' ' x $length, $blocksize, 'e');
            croak "padding method callback does not behave properly: expected $blocksize bytes back, got $got bytes back."
                if $got != $blocksize;
        }
        return $padding;
    }
    return $PADDING{$padding}
        || croak "'$padding' padding not supported.  See perldoc Crypt::CBC for instructions on creating your own.";
}

sub _standard_padding {
    my ($block, $blocksize, $direction) = @_;
    return substr $block, 0, $blocksize - ord substr $block, -1 if $direction eq 'd';
    my $missing = $blocksize - length $block;
    return $block . chr($missing) x $missing;
}

sub _space_padding {
    my ($block, $blocksize, $direction) = @_;
    if ($direction eq 'd') {
        $block =~ s/ *\z//s;
        return $block;
    }
    return $block . ' ' x ($blocksize - length $block);
}

sub _no_padding { return $_[0] }

sub _null_padding {
    my ($block, $blocksize, $direction) = @_;
    return if !length $block;
    if ($direction eq 'd') {
        $block =~ s/\0*\z//s;
        return $block;
    }
    return $block . "\0" x ($blocksize - length($block) % $blocksize);
}

sub _oneandzeroes_padding {
    my ($block, $blocksize, $direction) = @_;
    if ($direction eq 'd') {
        $block =~ s/\x80\0*\z//s;
        return $block;
    }
    return $block . "\x80" . "\0" x ($blocksize - length($block) - 1);
}

sub _rijndael_compat {
    my ($block, $blocksize, $direction) = @_;
    return if !length $block;
    if ($direction eq 'd') {
        $block =~ s/\x80\0*\z//s;
        return $block;
    }
    return $block . "\x80" . "\0" x ($blocksize - length($block) % $blocksize - 1);
}

# --- What there is to know and set

sub random_bytes {
    my ($self, $length) = @_;
    croak 'usage: random_bytes($byte_length)' if !$length;
    return _random_bytes($length);
}

# Crypt::CBC::PBKDF classes of other authors call it so.
sub _get_random_bytes { return _random_bytes($_[1]) }

sub _random_bytes {
    my ($length) = @_;
    open my $device, '<', '/dev/urandom' or croak "no random bytes: /dev/urandom: $!";
    binmode $device;
    my $bytes;
    my $count = sysread $device, $bytes, $length;
    croak "Invalid length while gathering $length random bytes" if !defined $count || $count != $length;
    my ($untainted) = $bytes =~ /\A(.*)\z/s;
    return $untainted;
}

sub _tainted {
    my ($value) = @_;
    require Scalar::Util;
    return Scalar::Util::tainted($value);
}

sub _exchange {
    my ($self, $name, @value) = @_;
    my $before = $self->{$name};
    $self->{$name} = $value[0] if @value;
    return $before;
}

sub salt { my $self = shift; return $self->_exchange('salt', @_) }
sub iv   { my $self = shift; return $self->_exchange('iv',   @_) }
sub key  { my $self = shift; return $self->_exchange('key',  @_) }

sub passphrase {
    my $self = shift;
    @{$self}{qw(key iv)} = () if @_;
    return $self->_exchange('passphrase', @_);
}

sub keysize {
    my $self = shift;
    $self->{keysize} = shift if @_;
    return $self->{keysize};
}

sub get_initialization_vector { return $_[0]->iv }

sub set_initialization_vector {
    my ($self, $iv) = @_;
    croak "Initialization vector must be $self->{blocksize} bytes in length" if length $iv != $self->{blocksize};
    return $self->iv($iv);
}

sub cipher      { return $_[0]->{cipher} }
sub padding     { return $_[0]->{padding} }
sub blocksize   { return $_[0]->{blocksize} }
sub chain_mode  { return $_[0]->{chain_mode} || 'cbc' }
sub pcbc        { return $_[0]->{pcbc} }
sub pbkdf       { return $_[0]->{pbkdf} }
sub header_mode { return $_[0]->{header_mode} }
sub literal_key { return $_[0]->{literal_key} }
sub nodeprecate { return $_[0]->{nodeprecate} }

1;
