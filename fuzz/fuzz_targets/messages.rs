//! One message's bytes: read, or refused; never believed further than they go.
#![no_main]

use cpan_bridge::protocol::message::{MapEntries, Message, parse, text};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    match parse(bytes) {
        Ok(Message::Request { arguments, .. } | Message::Notification { arguments, .. }) => {
            if let Some(entries) = arguments.ok().and_then(|arguments| MapEntries::of(arguments.params)) {
                for (name, value) in entries.take(1000) {
                    assert!(name.len() + value.len() <= bytes.len());
                    let _ = text(value);
                }
            }
        }
        Ok(Message::Cancel { .. }) | Err(_) => {}
    }
});
