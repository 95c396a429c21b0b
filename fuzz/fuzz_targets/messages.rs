//! One message's bytes: read, or refused; never believed further than they go.
#![no_main]

use kit::protocol::message::{MapEntries, parse, text};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(arguments) = parse(bytes).map(|message| message.arguments()) else { return };
    if let Some(entries) = arguments.ok().and_then(|arguments| MapEntries::of(arguments.params)) {
        for (name, value) in entries.take(1000) {
            assert!(name.len() + value.len() <= bytes.len());
            let _ = text(value);
        }
    }
});
