//! Whatever a document, a parser's rules and what is said to be the state of another call are: an answer, and the same in two pieces.
#![no_main]

use cpan_bridge::modules::{Offer, registry};
use kit::protocol::Buffer;
use kit::{Call, Caller, Registry};
use libfuzzer_sys::fuzz_target;
use std::sync::OnceLock;

fuzz_target!(|input: (u16, u8, &[u8], &[u8])| {
    static REGISTRY: OnceLock<Registry> = OnceLock::new();
    let registry = REGISTRY.get_or_init(|| registry(Offer::default()));
    let (options, ending, state, text) = input;
    let ending = ["cut", "piece", "document"][usize::from(ending % 3)];
    // {"text": ..., "ending": ..., "state": ..., "rules": {"options": ..., "reports": [...]}}
    let mut params = vec![0x84];
    let name = |params: &mut Vec<u8>, name: &str| {
        params.push(0xa0 | u8::try_from(name.len()).expect("a short name"));
        params.extend_from_slice(name.as_bytes());
    };
    let bytes = |params: &mut Vec<u8>, bytes: &[u8]| {
        params.push(0xc6);
        params.extend_from_slice(&u32::try_from(bytes.len()).expect("an input is short").to_be_bytes());
        params.extend_from_slice(bytes);
    };
    name(&mut params, "text");
    bytes(&mut params, text);
    name(&mut params, "ending");
    name(&mut params, ending);
    name(&mut params, "state");
    bytes(&mut params, state);
    name(&mut params, "rules");
    params.push(0x82);
    name(&mut params, "options");
    params.push(0xcd);
    params.extend_from_slice(&(options & 0x3fff).to_be_bytes());
    name(&mut params, "reports");
    params.push(0x98);
    for _ in 0..8 {
        bytes(&mut params, b"[tokens,tokenpos,tag,attr,@attr,attrseq,dtext,skipped_text,offset_end,line,column]");
    }
    let function = registry.function(registry.find("html.tokens").expect("the function"));
    let mut out = Buffer::new();
    let _ = function.run(&mut Call::detached(Caller { uid: 1, pid: 1, ..Caller::default() }, &mut out), &params);
});
