//! Key texts and key files, and what becomes of them.
#![no_main]

use crypto::key::{decode_base64, decode_hex, encode_hex, text_of_file};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let text = text_of_file(bytes);
    assert!(!text.contains('\n'));
    if let Some(decoded) = decode_base64(&text) {
        assert!(decoded.len() <= text.len());
    }
    if let Some(decoded) = decode_hex(bytes) {
        assert_eq!(encode_hex(&decoded).as_bytes(), bytes.to_ascii_lowercase());
    }
    assert_eq!(decode_hex(encode_hex(bytes).as_bytes()).as_deref().map(Vec::as_slice), Some(bytes));
});
