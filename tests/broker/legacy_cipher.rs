//! Data at rest that the old daemon wrote (tests/data/legacy-cipher) is decrypted.

use crate::support::*;

#[test]
fn what_the_old_daemon_encrypted_is_decrypted() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/legacy-cipher/cases.json");
    let cases: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let cases = cases.as_array().unwrap();
    assert!(cases.len() > 100);
    let broker = Broker::start(&[]);
    let mut client = broker.connect();
    for case in cases {
        let text = |name: &str| case[name].as_str().unwrap();
        let made = client.call("crypto.new", map([("key", text("key").into()), ("cipher", text("cipher").into())]));
        let made = made.unwrap_or_else(|error| panic!("{error} for {case}"));
        assert_eq!(made["key_length"], text("key").chars().count().into(), "{case}");
        let id = made["cipher_id"].clone();
        let sent = map([("cipher_id", id.clone()), ("hex_ciphertext", text("ciphertext_hex").into())]);
        let decrypted = client.call("crypto.decrypt", sent).unwrap_or_else(|error| panic!("{error} for {case}"));
        assert_eq!(decrypted["decrypted_hex"], text("plaintext_hex").into(), "{case}");
        // And our own goes the same way round.
        let sent = map([("cipher_id", id.clone()), ("plaintext_hex", text("plaintext_hex").into())]);
        let encrypted = client.call("crypto.encrypt", sent).unwrap()["encrypted"].clone();
        assert_eq!(encrypted.as_str().unwrap().len(), text("ciphertext_hex").len());
        let sent = map([("cipher_id", id), ("hex_ciphertext", encrypted)]);
        assert_eq!(client.call("crypto.decrypt", sent).unwrap()["decrypted_hex"], text("plaintext_hex").into());
    }
}
