//! A key is nowhere once its cipher is freed: not in the broker's memory, not in its log. And its memory is nobody's to
//! read but root's.

use crate::support::*;
use rmpv::Value;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

/// How often each of some byte strings stands in a process's writable memory.
fn occurrences(pid: u32, wanted: &[Vec<u8>]) -> Vec<usize> {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let mut memory = File::open(format!("/proc/{pid}/mem")).unwrap();
    let mut counts = vec![0; wanted.len()];
    for line in maps.lines().filter(|line| line.split(' ').nth(1).is_some_and(|mode| mode.starts_with("rw"))) {
        let (begin, end) = line.split(' ').next().unwrap().split_once('-').unwrap();
        let (begin, end) = (u64::from_str_radix(begin, 16).unwrap(), u64::from_str_radix(end, 16).unwrap());
        let mut bytes = vec![0; usize::try_from(end - begin).unwrap()];
        // Some mappings of the kernel's own can't be read.
        if memory.seek(SeekFrom::Start(begin)).is_err() || memory.read_exact(&mut bytes).is_err() {
            continue;
        }
        for (count, wanted) in counts.iter_mut().zip(wanted) {
            *count += bytes.windows(wanted.len()).filter(|window| window == wanted).count();
        }
    }
    counts
}

#[test]
fn a_freed_key_and_a_plaintext_are_nowhere_in_memory() {
    if !nix::unistd::Uid::effective().is_root() {
        eprintln!("skipped: reading the broker's memory takes root, which is the point");
        return;
    }
    let broker = Broker::start(&["--workers=1"]);
    let mut client = broker.connect();
    // Not in this program's own text, where the broker's memory could not be told from it anyway.
    let key: Vec<u8> = (0..32_u8).map(|n| n.wrapping_mul(37).wrapping_add(101)).collect();
    let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    let plaintext: Vec<u8> = (0..40_u8).map(|n| n.wrapping_mul(59).wrapping_add(17)).collect();
    let wanted = [key.clone(), hex.clone().into_bytes(), plaintext.clone()];

    let held = client.call("crypto.new", map([("cipher", "AES-256-GCM".into()), ("key", hex.clone().into())])).unwrap();
    let found = occurrences(broker.pid(), &wanted);
    assert!(found[0] >= 1, "a key that is in use is found, so the search is able to find one: {found:?}");

    let mut ids = vec![held["cipher_id"].clone()];
    for (cipher, given) in [
        ("ChaCha20-Poly1305", Value::Binary(key.clone())),
        ("AES-256-GCM", Value::Binary(key.clone())),
        ("AES", Value::Binary(key.clone())),
        ("Blowfish", hex.clone().into()),
        ("3DES", hex.into()),
    ] {
        let made = client.call("crypto.new", map([("cipher", cipher.into()), ("key", given)])).unwrap();
        let id = made["cipher_id"].clone();
        // Inline and on a worker, and the answer in one piece and in many.
        for size in [1, 5000] {
            let text = Value::Binary(plaintext.repeat(size));
            let sealed = client.call("crypto.encrypt", map([("cipher_id", id.clone()), ("plaintext", text)])).unwrap();
            let sent = map([("cipher_id", id.clone()), ("hex_ciphertext", sealed["encrypted"].clone())]);
            client.call("crypto.decrypt", sent).unwrap();
        }
        ids.push(id);
    }
    let signed = map([("key", Value::Binary(key)), ("data", Value::Binary(plaintext))]);
    client.call("crypto.sign", signed.clone()).unwrap();
    let _ = client.call("crypto.derive_key", map([("passphrase", signed["key"].clone()), ("iterations", 10.into())]));
    for id in ids {
        client.call("crypto.cleanup_cipher", map([("cipher_id", id)])).unwrap();
    }
    client.call("test.ping", none()).unwrap();
    let found = occurrences(broker.pid(), &wanted);
    assert_eq!(found, [0, 0, 0], "key, key in hex, plaintext");
}

#[test]
fn the_process_is_not_dumpable() {
    let broker = Broker::start(&[]);
    // The kernel gives the files of a process that is not dumpable to root.
    use std::os::unix::fs::MetadataExt;
    assert_eq!(std::fs::metadata(format!("/proc/{}/mem", broker.pid())).unwrap().uid(), 0);
    if !nix::unistd::Uid::effective().is_root() {
        assert!(File::open(format!("/proc/{}/mem", broker.pid())).is_err());
    }
}
