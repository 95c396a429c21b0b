//! Whether every function ends soon when nobody waits for it any more.

use super::{Offer, registry};
use kit::call::Control;
use kit::cancellation::Cancellation;
use kit::handles::{HandleId, Life};
use kit::pieces::{PIECE, watch};
use kit::protocol::{Buffer, CallError, Code};
use kit::store::{Bounds, HandleStore};
use kit::{Call, Caller, Registry};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// What a function does with the largest parameters that it takes.
enum Work {
    /// The same whatever it is given, or bounded by a small number of its own; and why.
    Little(&'static str),
    /// It waits for a clock or a socket, and for the cancellation at the same time. Tests that run a broker cancel it:
    /// `tests/broker/calls.rs`, `http.rs`, `transfers.rs`.
    Waits,
    /// It computes, with these parameters in at least so many pieces (none: more than a test can wait for).
    Computes(Vec<(Value, Option<u64>)>),
}

const SIZE: usize = 3 * PIECE;

fn bytes() -> Value {
    "7".repeat(SIZE).into()
}

/// Every function there is. One that is missing here fails the test: think about what its largest work is.
fn work_of(method: &str) -> Option<Work> {
    let (module, function) = method.split_once('.')?;
    Some(match (module, function) {
        ("crypto", "chain_free" | "cleanup_cipher") => Work::Little("takes a name"),
        ("crypto", "chain_new") => Work::Little("a key of another size is refused unread"),
        ("crypto", "generate_key" | "random_bytes") => Work::Little("4096 bytes at most"),
        ("crypto", "hash") => Work::Computes(
            ["MD5", "SHA1", "SHA224", "SHA256", "SHA384", "SHA512"]
                .map(|algorithm| (json!({ "data": bytes(), "algorithm": algorithm }), Some(3)))
                .into(),
        ),
        ("crypto", "sign") => Work::Computes(
            ["HMAC-SHA1", "HMAC-SHA256", "HMAC-SHA384", "HMAC-SHA512"]
                .map(|algorithm| (json!({ "key": bytes(), "data": bytes(), "algorithm": algorithm }), Some(6)))
                .into_iter()
                .chain([(json!({ "key": "07".repeat(32), "data": bytes(), "algorithm": "Ed25519" }), Some(1))])
                .collect(),
        ),
        ("crypto", "verify") => Work::Computes(vec![
            (json!({ "key": bytes(), "data": bytes(), "signature": bytes() }), Some(9)),
            (json!({ "key": "07".repeat(32), "data": bytes(), "signature": bytes(), "algorithm": "Ed25519" }), Some(4)),
        ]),
        ("crypto", "chain_once") => Work::Computes(
            ["cbc", "pcbc", "cfb", "ofb", "ctr"]
                .into_iter()
                .flat_map(|mode| ["encrypt", "decrypt"].map(|direction| (mode, direction)))
                .map(|(mode, direction)| {
                    let params = json!({ "cipher": "DES_EDE3", "key": "k".repeat(24), "iv": "vector.8", "chain_mode": mode,
                        "direction": direction, "data": bytes() });
                    (params, Some(3))
                })
                .collect(),
        ),
        ("crypto", "chain_next") => Work::Computes(vec![(json!({ "chain_id": "CHAIN", "data": bytes() }), Some(3))]),
        ("crypto", "encrypt") => Work::Computes(vec![
            (json!({ "cipher_id": "LEGACY", "plaintext_hex": bytes() }), Some(3 + 2 + 2)),
            (json!({ "cipher_id": "SEALER", "plaintext_hex": bytes(), "aad": bytes() }), Some(3 + 1 + 2)),
        ]),
        ("crypto", "decrypt") => Work::Computes(vec![
            (json!({ "cipher_id": "LEGACY", "hex_ciphertext": "LEGACY" }), Some(3)),
            (json!({ "cipher_id": "SEALER", "hex_ciphertext": "SEALER" }), Some(3)),
        ]),
        ("crypto", "derive_key") => Work::Computes(vec![
            (json!({ "passphrase": bytes(), "iterations": 20_000_000 }), None),
            (json!({ "passphrase": "p", "digest": "SHA1", "iterations": 20_000_000, "length": 20 }), None),
            (json!({ "passphrase": "p", "digest": "SHA512", "iterations": 300_000, "length": 4096 }), None),
            (json!({ "passphrase": "p", "kdf": "EVP_BytesToKey", "iterations": 20_000_000 }), None),
            (json!({ "passphrase": bytes(), "kdf": "EVP_BytesToKey", "length": 64 }), Some(6)),
            (json!({ "passphrase": bytes(), "salt": "s", "info": "7".repeat(PIECE), "kdf": "HKDF", "length": 96 }), Some(6)),
        ]),
        ("crypto", "new") => Work::Computes(vec![(
            json!({ "cipher": "AES-256-GCM", "passphrase": bytes(), "salt": "saltsalt", "iterations": 20_000_000 }),
            None,
        )]),
        ("http_helper", "request" | "get" | "post" | "put" | "delete" | "head" | "download" | "upload" | "body_send" | "read") => Work::Waits,
        ("http_helper", "lwp_request") => Work::Waits,
        ("http_helper", "body_add" | "body_free" | "body_new" | "close" | "ping" | "session_cookies" | "session_free"
            | "session_new") => Work::Little("keeps, gives or frees what it is given; no computing"),
        ("html", "tokens") => Work::Computes(vec![
            (json!({ "text": "<p>text</p>".repeat(PIECE / 4), "ending": "document", "state": "", "rules": { "reports": vec![Value::Null; 8] } }), Some(3)),
        ]),
        ("test", "sleep") => Work::Waits,
        ("test", "check_module" | "echo" | "health" | "ping" | "stats") => Work::Little("gives back what it is given"),
        ("test", "panic" | "panic_worker") => Work::Little("fails at once"),
        ("system", "calls" | "cleanup" | "close_connection" | "connections" | "free_handle" | "handles" | "health" | "history" | "info"
            | "lock" | "metrics" | "modules" | "openmetrics" | "performance" | "reload" | "shutdown" | "stats" | "unlock") => Work::Little("reports on the broker, or steers it; in the loop"),
        _ => return None,
    })
}

struct Bench {
    registry: Registry,
    store: HandleStore,
    handles: BTreeMap<&'static str, String>,
    ciphertexts: BTreeMap<&'static str, String>,
}

const CALLER: Caller = Caller::owner(7, 0);

impl Bench {
    fn new() -> Self {
        let bounds = Bounds { max_per_user: 100, idle_timeout: None, user_memory: usize::MAX, max_memory: usize::MAX };
        let (handles, ciphertexts) = Default::default();
        let mut bench = Self {
            registry: registry(Offer { faults: true }),
            store: HandleStore::new(bounds, Life::default()),
            handles,
            ciphertexts,
        };
        let chain = json!({ "cipher": "DES", "key": "8 bytes.", "iv": "vector.8", "chain_mode": "cbc", "direction": "encrypt" });
        for (name, method, result, params) in [
            ("CHAIN", "crypto.chain_new", "chain_id", chain),
            ("LEGACY", "crypto.new", "cipher_id", json!({ "key": "k", "cipher": "3DES" })),
            ("SEALER", "crypto.new", "cipher_id", json!({ "key": "07".repeat(16), "cipher": "AES-128-GCM" })),
        ] {
            let made = bench.run(method, &params, None).0.unwrap();
            bench.handles.insert(name, made[result].as_str().unwrap().to_owned());
        }
        for name in ["LEGACY", "SEALER"] {
            let params = json!({ "cipher_id": name, "plaintext_hex": bytes() });
            let sealed = bench.run("crypto.encrypt", &params, None).0.unwrap();
            bench.ciphertexts.insert(name, sealed["encrypted"].as_str().unwrap().to_owned());
        }
        bench
    }

    /// Runs a function as a worker does. Gives its result and how many pieces it began; with `cancel_at` it is
    /// cancelled just before it looks for that time.
    fn run(&mut self, method: &str, params: &Value, cancel_at: Option<u64>) -> (Result<Value, CallError>, u64) {
        let mut params = params.clone();
        for (name, value) in params.as_object_mut().unwrap() {
            let known = if name.ends_with("_id") { &self.handles } else { &self.ciphertexts };
            if let Some(real) = value.as_str().filter(|text| text.len() < 10).and_then(|text| known.get(text)) {
                *value = real.clone().into();
            }
        }
        let function = self.registry.function(self.registry.find(method).unwrap());
        let params = rmp_serde::to_vec_named(&params).unwrap();
        let handle = function.handle(&params);
        let mut lease = self.store.lease(CALLER, handle);
        let cancellation = Arc::new(Cancellation::default());
        watch::begin(cancel_at.map(|at| (at, Arc::clone(&cancellation))));
        let control = Control::new(cancellation, None);
        let mut out = Buffer::new();
        let result = function.run(&mut Call::on_worker(CALLER, &mut lease, &control, &mut out), &params);
        self.store.settle(CALLER, lease, Duration::ZERO).unwrap();
        let pieces = watch::pieces();
        (result.map(|()| texts(out.as_slice())), pieces)
    }
}

/// The texts of a result.
fn texts(result: &[u8]) -> Value {
    let value = rmpv::decode::read_value(&mut &*result).unwrap();
    let pairs = value.as_map().into_iter().flatten();
    let texts = pairs.filter_map(|(key, value)| Some((key.as_str()?.to_owned(), value.as_str()?.into())));
    Value::Object(texts.collect())
}

#[test]
fn every_function_ends_within_a_piece_of_its_cancellation() {
    let mut bench = Bench::new();
    for method in bench.registry.methods() {
        let work = work_of(&method).unwrap_or_else(|| panic!("{method}: say here what its largest work is"));
        let cases = match work {
            Work::Little(why) => {
                assert!(!why.is_empty());
                continue;
            }
            Work::Waits => {
                let function = bench.registry.function(bench.registry.find(&method).unwrap());
                assert_ne!(function.placement, kit::Placement::Inline, "{method} waits");
                continue;
            }
            Work::Computes(cases) => cases,
        };
        for (params, least) in cases {
            let shown: String = params.to_string().replace(&"7".repeat(100), "").chars().take(300).collect();
            let (result, pieces) = bench.run(&method, &params, Some(1));
            assert_eq!(result.unwrap_err().code, Code::Cancelled, "{method} {shown}");
            assert_eq!(pieces, 1, "{method} {shown} did work after it was given up");
            let middle = least.map_or(5, |least| least.div_ceil(2));
            let (result, pieces) = bench.run(&method, &params, Some(middle));
            assert_eq!(result.unwrap_err().code, Code::Cancelled, "{method} {shown}");
            assert_eq!(pieces, middle, "{method} {shown} did work after it was given up");
            if let Some(least) = least {
                let (result, pieces) = bench.run(&method, &params, None);
                assert!(result.is_ok(), "{method} {shown}: {result:?}");
                assert!(pieces >= least, "{method} {shown}: {pieces} pieces");
            }
        }
    }
}

#[test]
fn a_chain_whose_piece_was_given_up_is_as_it_was_before() {
    let mut bench = Bench::new();
    let next = |bench: &mut Bench, data: &str, cancel_at| {
        let id = bench.handles["CHAIN"].clone();
        let lease = bench.store.lease(CALLER, HandleId::parse(&id));
        bench.store.settle(CALLER, lease, Duration::ZERO).unwrap();
        let params = json!({ "chain_id": "CHAIN", "data": data });
        bench.run("crypto.chain_next", &params, cancel_at).0
    };
    let (small, large) = ("eight by", "7".repeat(SIZE));
    assert!(next(&mut bench, small, None).is_ok());
    assert_eq!(next(&mut bench, &large, Some(2)).unwrap_err().code, Code::Cancelled);
    let again = chained(&mut bench, small);
    let mut fresh = Bench::new();
    assert!(next(&mut fresh, small, None).is_ok());
    assert_eq!(again, chained(&mut fresh, small));
}

/// The bytes that a chain makes of its next piece.
fn chained(bench: &mut Bench, data: &str) -> Vec<u8> {
    let id = bench.handles["CHAIN"].clone();
    let function = bench.registry.function(bench.registry.find("crypto.chain_next").unwrap());
    let params = rmp_serde::to_vec_named(&json!({ "chain_id": id, "data": data })).unwrap();
    let mut lease = bench.store.lease(CALLER, HandleId::parse(&id));
    let control = Control::new(Arc::default(), None);
    let mut out = Buffer::new();
    function.run(&mut Call::on_worker(CALLER, &mut lease, &control, &mut out), &params).unwrap();
    bench.store.settle(CALLER, lease, Duration::ZERO).unwrap();
    out.as_slice().to_vec()
}
