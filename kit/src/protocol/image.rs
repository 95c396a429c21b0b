//! What an image of core Perl's Storable is made of, for who writes one and who reads one.
//!
//! The format is Storable's of major version 2: see `Storable.xs` of the Perl sources.

const MAJOR: u8 = 2;
/// Written whatever the asking Perl writes: it reads what is older, and every Perl from 5.10.1 on reads this.
const MINOR: u8 = 5;

/// The ext type of an image.
pub const EXT_TYPE: u8 = 1;

/// Types of values, and flags of maps' keys.
pub mod kind {
    /// With a length of 32 bits.
    pub const LONG_SCALAR: u8 = 1;
    /// Its length and elements follow.
    pub const ARRAY: u8 = 2;
    /// Its length and pairs follow, of each the value first.
    pub const HASH: u8 = 3;
    /// To what follows.
    pub const REFERENCE: u8 = 4;
    /// A variable that has no value.
    pub const UNDEF: u8 = 5;
    /// As the machine has it, of 64 bits.
    pub const INTEGER: u8 = 6;
    /// As the machine has it.
    pub const DOUBLE: u8 = 7;
    /// An integer from -128 on, in one byte.
    pub const BYTE: u8 = 8;
    /// Of 32 bits.
    pub const NETWORK_INTEGER: u8 = 9;
    /// Of up to 255 bytes.
    pub const SCALAR: u8 = 10;
    /// The constant without value.
    pub const SV_UNDEF: u8 = 14;
    /// The constant true.
    pub const SV_YES: u8 = 15;
    /// The constant false.
    pub const SV_NO: u8 = 16;
    /// Characters, of up to 255 bytes.
    pub const UTF8: u8 = 23;
    /// Characters, with a length of 32 bits.
    pub const LONG_UTF8: u8 = 24;
    /// Like a map, with flags of its own and of each key.
    pub const FLAG_HASH: u8 = 25;
    /// An element that is the constant without value.
    pub const UNDEF_ELEMENT: u8 = 31;
    /// A variable that is true, from Perl 5.36 on.
    pub const BOOLEAN_TRUE: u8 = 34;
    /// A variable that is false.
    pub const BOOLEAN_FALSE: u8 = 35;

    /// Of a key: its bytes are UTF-8.
    pub const KEY_IS_UTF8: u8 = 1;
    /// Of a key: it was UTF-8, and is Latin-1.
    pub const KEY_WAS_UTF8: u8 = 2;
    /// Of a key of a map that may not be changed.
    pub const KEY_IS_LOCKED: u8 = 4;
}

/// How a Perl keeps numbers, and so its images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As 64-bit x86 and its kin do.
    Native,
    /// In network order: for those with other byte orders and sizes.
    Network,
}

impl Form {
    /// How images in it begin.
    pub const fn header(self) -> &'static [u8] {
        match self {
            // Byte order, and the sizes of int, long, pointer and NV.
            Self::Native => &[MAJOR << 1, MINOR, 8, b'1', b'2', b'3', b'4', b'5', b'6', b'7', b'8', 4, 8, 8, 8],
            Self::Network => &[MAJOR << 1 | 1, MINOR],
        }
    }

    /// The form of an image, and what follows its header. None for one that begins otherwise; the minor version may be any.
    pub fn of_image(image: &[u8]) -> Option<(Self, &[u8])> {
        [Self::Native, Self::Network].into_iter().find_map(|form| {
            let (header, rest) = image.split_at_checked(form.header().len())?;
            (header[0] == form.header()[0] && header[2..] == form.header()[2..]).then_some((form, rest))
        })
    }

    /// The form of the Perl whose `Storable` begins its images so. None for one that is not written here.
    pub fn of_header(header: &[u8]) -> Option<Self> {
        Self::of_image(header).and_then(|(form, rest)| rest.is_empty().then_some(form))
    }
}
