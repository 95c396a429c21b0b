//! The classes of characters that tokens are made of, as Perl's `\s` and `\w` have them for bytes.

/// White space.
pub(crate) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r')
}

/// What a name goes on with, where names are strict.
pub(crate) fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b':')
}

/// What a name begins with, where names are strict.
pub(crate) fn is_name_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || matches!(byte, b'_' | b':')
}

/// What a tag's name, an attribute's name or a bare value may be made of.
pub(crate) fn is_word(byte: u8) -> bool {
    byte != b'>' && !is_space(byte)
}
