//! Parameters as an image of Storable's: read, or refused; what is read is a map that is no larger than twice the image, and whose own image is
//! read as the same.
#![no_main]

use kit::protocol::buffer::Buffer;
use kit::protocol::image::Form;
use kit::protocol::message::MapEntries;
use kit::protocol::scanner::{Scan, Scanner};
use kit::protocol::thawed::{Unreadable, thaw};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: (bool, &[u8])| {
    let (is_native, body) = body;
    let form = if is_native { Form::Native } else { Form::Network };
    let image = [form.header(), body].concat();
    let mut map = Buffer::new();
    if thaw(&image, &mut map).is_err() {
        return;
    }
    let bytes = map.as_slice();
    assert!(bytes.len() <= 2 * image.len());
    assert_eq!(Scanner::inside(1).scan(bytes, bytes.len()), Ok(Scan::Complete(bytes.len())));
    assert!(MapEntries::of(bytes).is_some());
    let Some(again) = Form::Native.freeze(bytes) else { return };
    let mut same = Buffer::new();
    match thaw(again.as_slice(), &mut same) {
        Ok(()) => assert_eq!(same.as_slice(), bytes),
        // Digits that came as characters, and go as what Storable writes numbers as.
        Err(why) => assert_eq!(why, Unreadable::Number),
    }
});
