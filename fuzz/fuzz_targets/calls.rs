//! The parameters of every function that touches neither network nor broker: a result or an error, in a MessagePack form.
#![no_main]

use cpan_bridge::modules::{Offer, registry};
use kit::{Call, Caller, FunctionId, Registry};
use kit::protocol::Buffer;
use kit::protocol::message::parse;
use libfuzzer_sys::fuzz_target;
use std::sync::OnceLock;

/// Functions that are fine with anything: no sleeping, no connecting.
fn chosen() -> &'static (Registry, Vec<FunctionId>) {
    static CHOSEN: OnceLock<(Registry, Vec<FunctionId>)> = OnceLock::new();
    CHOSEN.get_or_init(|| {
        let registry = registry(Offer::default());
        let ids = registry
            .methods()
            .iter()
            .filter(|method| *method != "test.sleep")
            .filter_map(|method| registry.find(method).ok())
            .filter(|id| !registry.function(*id).touches.network)
            .collect();
        (registry, ids)
    })
}

fuzz_target!(|input: (u8, &[u8])| {
    let (which, params) = input;
    // Half a million rounds of key derivation are a fine default, and would be all that is done here.
    if params.windows(10).any(|window| window == b"passphrase") && !params.windows(4).any(|window| window == b"HKDF") {
        return;
    }
    // Functions get what the reader of messages lets pass: [0, 1, "m", params]
    let message = [b"\x94\x00\x01\xa1m", params].concat();
    let Ok(Ok(arguments)) = parse(&message).map(|message| message.arguments()) else { return };
    let (registry, ids) = chosen();
    let function = registry.function(ids[usize::from(which) % ids.len()]);
    let mut out = Buffer::new();
    let mut call = Call::detached(Caller { uid: 1, pid: 1, ..Caller::default() }, &mut out);
    match function.run(&mut call, arguments.params) {
        Ok(()) => assert!(!out.as_slice().is_empty()),
        Err(error) => assert!(!error.message.is_empty()),
    }
});
