//! Module `crypto` as callers meet it.

use crate::support::*;
use rmpv::Value;

fn new(client: &mut Client, params: Value) -> Result<Value, Value> {
    client.call("crypto.new", params)
}

/// The id of a cipher made with these parameters.
fn cipher(client: &mut Client, params: Value) -> Value {
    new(client, params).unwrap()["cipher_id"].clone()
}

const CIPHERS: [(&str, usize); 3] = [("AES-128-GCM", 16), ("AES-256-GCM", 32), ("ChaCha20-Poly1305", 32)];

#[test]
fn authenticated_ciphers_seal_and_open() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect();
    for (name, size) in CIPHERS {
        let id = cipher(&mut client, map([("cipher", name.into()), ("key", "ab".repeat(size).into())]));
        for plaintext in [vec![], b"Hello".to_vec(), vec![0xff; 100_000]] {
            let sent = map([("cipher_id", id.clone()), ("plaintext", Value::Binary(plaintext.clone()))]);
            let sealed = client.call("crypto.encrypt", sent).unwrap();
            assert_eq!(sealed["algorithm"], name.into());
            assert_eq!(sealed["length"], ((plaintext.len() + 28) * 2).into());
            let sent = map([("cipher_id", id.clone()), ("hex_ciphertext", sealed["encrypted"].clone())]);
            let opened = client.call("crypto.decrypt", sent).unwrap();
            let hex: String = plaintext.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!((&opened["decrypted_hex"], &opened["length"]), (&hex.into(), &plaintext.len().into()));
        }
    }
}

#[test]
fn what_was_tampered_with_gives_an_error_and_no_plaintext() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect();
    for (name, size) in CIPHERS {
        let id = cipher(&mut client, map([("cipher", name.into()), ("key", "ab".repeat(size).into())]));
        let plaintext = "attack at dawn";
        let sealed = client
            .call(
                "crypto.encrypt",
                map([("cipher_id", id.clone()), ("plaintext", plaintext.into()), ("aad", "1".into())]),
            )
            .unwrap()["encrypted"]
            .as_str()
            .unwrap()
            .to_owned();
        let mut open = |hex: &str, aad: Option<&str>| {
            let mut params = vec![("cipher_id".into(), id.clone()), ("hex_ciphertext".into(), hex.into())];
            params.extend(aad.map(|aad| ("aad".into(), aad.into())));
            client.call("crypto.decrypt", Value::Map(params))
        };
        assert_eq!(open(&sealed, Some("1")).unwrap()["decrypted"], Value::Binary(plaintext.as_bytes().to_vec()));
        let flipped = format!("{}{:x}", &sealed[..sealed.len() - 1], !sealed.as_bytes()[sealed.len() - 1] & 1);
        let changed = sealed.replacen(&sealed[40..41], if &sealed[40..41] == "0" { "1" } else { "0" }, 1);
        for (hex, aad) in
            [(&sealed, None), (&sealed, Some("2")), (&changed, Some("1")), (&sealed[..54].to_owned(), Some("1"))]
        {
            let result = open(hex, aad);
            assert_eq!(code(&result), "failed", "{name}");
            assert!(!format!("{result:?}").contains("attack"), "{result:?}");
        }
        assert!(flipped == sealed || open(&flipped, Some("1")).is_err());
    }
}

#[test]
fn the_same_pass_phrase_and_salt_open_what_they_sealed() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect();
    let with = |salt: &str, more: &[(&str, Value)]| {
        let mut params: Vec<(Value, Value)> = vec![
            ("cipher".into(), "AES-256-GCM".into()),
            ("passphrase".into(), "correct horse".into()),
            ("salt".into(), salt.into()),
        ];
        params.extend(more.iter().map(|(name, value)| (Value::from(*name), value.clone())));
        Value::Map(params)
    };
    let first = cipher(&mut client, with("random salt", &[]));
    let sealed = client.call("crypto.encrypt", map([("cipher_id", first), ("plaintext", "Hello".into())])).unwrap();
    let mut opens = |params: Value| {
        let id = cipher(&mut client, params);
        let sent = map([("cipher_id", id), ("hex_ciphertext", sealed["encrypted"].clone())]);
        client.call("crypto.decrypt", sent).is_ok()
    };
    assert!(opens(with("random salt", &[])));
    assert!(opens(with("random salt", &[("iterations", 600_000.into()), ("kdf", "PBKDF2".into())])));
    assert!(!opens(with("another salt", &[("iterations", 1000.into())])));
    assert!(!opens(with("random salt", &[("kdf", "HKDF".into())])));
}

#[test]
fn a_pass_phrase_is_derived_on_a_worker_and_holds_up_nobody() {
    let broker = Broker::start(&[]);
    let mut slow = broker.connect();
    let params = map([
        ("cipher", "AES-256-GCM".into()),
        ("passphrase", "p".into()),
        ("salt", "12345678".into()),
        ("iterations", 500_000.into()),
    ]);
    slow.send(&request(1, "crypto.new", params));
    slow.send(&request(2, "test.echo", none()));
    assert_eq!(slow.answer(2), Ok(none()), "an echo that was sent later is answered first");
    assert!(slow.answer(1).is_ok());
}

#[test]
fn wrong_keys_and_parameters_are_told() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect();
    let gcm = || ("cipher", Value::from("AES-256-GCM"));
    for (params, parameter, text) in [
        (map([gcm(), ("key", "short".into())]), "key", "exactly 32 bytes"),
        (map([gcm()]), "key", "Either key or key_file must be provided"),
        (map([gcm(), ("passphrase", "p".into())]), "salt", "at least 8 bytes"),
        (map([gcm(), ("passphrase", "p".into()), ("key", "k".into())]), "passphrase", "not both"),
        (map([("passphrase", "p".into()), ("salt", "12345678".into())]), "passphrase", "takes a key"),
        (
            map([gcm(), ("passphrase", "p".into()), ("salt", "12345678".into()), ("kdf", "EVP_BytesToKey".into())]),
            "kdf",
            "old data",
        ),
        (map([("cipher", "AES-512".into()), ("key", "k".into())]), "cipher", "ChaCha20-Poly1305"),
    ] {
        let result = new(&mut client, params);
        assert_eq!(code(&result), "invalid_params");
        assert!(message(&result).contains(text), "{result:?}");
        assert_eq!(result.unwrap_err()["data"]["parameter"], parameter.into());
    }
    let legacy = cipher(&mut client, map([("key", "k".into())]));
    let result =
        client.call("crypto.encrypt", map([("cipher_id", legacy), ("plaintext", "x".into()), ("aad", "a".into())]));
    assert!(message(&result).contains("authenticated ciphers"), "{result:?}");
}

#[test]
fn keys_can_be_derived_and_bytes_drawn() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect();
    let derived = client.call(
        "crypto.derive_key",
        map([
            ("passphrase", "secret".into()),
            ("salt", Value::Binary((0..8).collect())),
            ("kdf", "EVP_BytesToKey".into()),
            ("digest", "md5".into()),
        ]),
    );
    // openssl enc -aes-256-cbc -md md5 -k secret -S 0001020304050607 -P
    let expected = "035fb8145b73cf111570dc936112be9c375a5d3d8b915bc213bdbef9dbfb7851";
    assert_eq!(derived.unwrap()["key_hex"], expected.into());
    let one = client.call("crypto.random_bytes", map([("length", 16.into())])).unwrap();
    let other = client.call("crypto.random_bytes", map([("length", 16.into())])).unwrap();
    assert_ne!(one["bytes"], other["bytes"]);
    assert_eq!(one["bytes"].as_slice().unwrap().len(), 16);
    assert_eq!(one["bytes_hex"].as_str().unwrap().len(), 32);
    assert_eq!(code(&client.call("crypto.random_bytes", map([("length", 0.into())]))), "invalid_params");
}
