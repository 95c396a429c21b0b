//! Block ciphers in chain modes, against what the real Crypt::CBC made (tests/data/chain-modes).

use crate::support::*;
use rmpv::Value;

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// One case of the file: the parameters but for direction, and both texts.
struct Case {
    params: Vec<(Value, Value)>,
    block_mode: bool,
    plaintext: Vec<u8>,
    ciphertext: Vec<u8>,
}

fn cases() -> Vec<Case> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/chain-modes/cases.json");
    let cases: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let cases = cases.as_array().unwrap().iter().map(|case| {
        let text = |name: &str| case[name].as_str().unwrap();
        let named = |name: &str, value: Value| (Value::from(name), value);
        Case {
            params: vec![
                named("cipher", text("cipher").into()),
                named("chain_mode", text("chain_mode").into()),
                named("key", Value::Binary(bytes(text("key")))),
                named("iv", Value::Binary(bytes(text("iv")))),
            ],
            block_mode: text("chain_mode").contains("cbc"),
            plaintext: bytes(text("plaintext")),
            ciphertext: bytes(text("ciphertext")),
        }
    });
    cases.collect()
}

impl Case {
    fn both_ways(&self) -> [(&'static str, &[u8], &[u8]); 2] {
        [("encrypt", &self.plaintext, &self.ciphertext), ("decrypt", &self.ciphertext, &self.plaintext)]
    }

    fn params(&self, direction: &str, data: Option<&[u8]>) -> Value {
        let mut params = self.params.clone();
        params.push(("direction".into(), direction.into()));
        params.extend(data.map(|data| ("data".into(), Value::Binary(data.to_vec()))));
        Value::Map(params)
    }
}

#[test]
fn every_cipher_in_every_mode_as_the_original_has_it() {
    let cases = cases();
    assert!(cases.len() > 500, "{} cases", cases.len());
    let broker = Broker::start(&[]);
    let mut client = broker.connect();
    for case in &cases {
        for (direction, from, to) in case.both_ways() {
            let result = client.call("crypto.chain_once", case.params(direction, Some(from))).unwrap();
            assert_eq!(result["data"].as_slice().unwrap(), to, "{direction} {:?}", case.params);
        }
    }
}

#[test]
fn pieces_give_what_the_whole_gives() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect();
    for case in cases().iter().step_by(7) {
        for (direction, from, to) in case.both_ways() {
            let made = client.call("crypto.chain_new", case.params(direction, None)).unwrap();
            let (id, block) = (made["chain_id"].clone(), made["block_size"].as_u64().unwrap() as usize);
            let piece = if case.block_mode { block } else { 3 };
            let mut result = Vec::new();
            for data in from.chunks(piece) {
                let params = map([("chain_id", id.clone()), ("data", Value::Binary(data.to_vec()))]);
                result.extend_from_slice(client.call("crypto.chain_next", params).unwrap()["data"].as_slice().unwrap());
            }
            assert_eq!(result, to, "{direction} {:?}", case.params);
            let free = map([("chain_id", id.clone())]);
            assert_eq!(client.call("crypto.chain_free", free.clone()).unwrap()["freed"], true.into());
            let gone = map([("chain_id", id), ("data", Value::Binary(vec![]))]);
            assert_eq!(code(&client.call("crypto.chain_next", gone)), "not_found");
        }
    }
}

#[test]
fn wrong_names_and_sizes_are_told() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect();
    let right = [
        ("cipher", Value::from("AES")),
        ("chain_mode", "cbc".into()),
        ("key", Value::Binary(vec![0; 16])),
        ("iv", Value::Binary(vec![0; 16])),
        ("direction", "encrypt".into()),
        ("data", Value::Binary(vec![0; 32])),
    ];
    assert!(client.call("crypto.chain_once", map(right.clone())).is_ok());
    for (name, wrong, text) in [
        ("cipher", Value::from("ROT13"), "Unsupported cipher algorithm: ROT13. Supported: AES"),
        ("chain_mode", "xts".into(), "Unsupported chain mode: xts. Supported: ecb, cbc"),
        ("key", Value::Binary(vec![0; 15]), "AES takes a key of 16, 24 or 32 bytes, not 15"),
        ("iv", Value::Binary(vec![0; 8]), "must be 16 bytes, not 8"),
        ("direction", "sideways".into(), "encrypt or decrypt"),
        ("data", Value::Binary(vec![0; 33]), "whole blocks of 16 bytes, not 33 bytes"),
    ] {
        let params = right.clone().map(|(key, value)| if key == name { (key, wrong.clone()) } else { (key, value) });
        let result = client.call("crypto.chain_once", map(params));
        assert_eq!(code(&result), "invalid_params");
        assert!(message(&result).contains(text), "{result:?}");
        assert_eq!(result.unwrap_err()["data"]["parameter"], name.into());
    }
}
