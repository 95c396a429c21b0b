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

/// A key that is used in every way, and what must not be found: the key, the key in hex, a plaintext.
struct Secrets {
    broker: Broker,
    client: Client,
    key: Vec<u8>,
    plaintext: Vec<u8>,
    ciphers: Vec<Value>,
}

impl Secrets {
    /// None where the broker's memory can't be read.
    fn begin() -> Option<Self> {
        if !nix::unistd::Uid::effective().is_root() {
            eprintln!("skipped: reading the broker's memory takes root, which is the point");
            return None;
        }
        let broker = Broker::start(&["--workers=1"]);
        let client = broker.connect();
        // Not in this program's own text, where the broker's memory could not be told from it anyway.
        let key: Vec<u8> = (0..32_u8).map(|n| n.wrapping_mul(37).wrapping_add(101)).collect();
        let plaintext: Vec<u8> = (0..40_u8).map(|n| n.wrapping_mul(59).wrapping_add(17)).collect();
        let mut secrets = Self { broker, client, key, plaintext, ciphers: Vec::new() };
        let hex = Value::from(secrets.hex());
        let key = Value::Binary(secrets.key.clone());
        secrets.new_cipher("AES-256-GCM", hex.clone());
        assert!(secrets.found()[0] >= 1, "a key that is in use is found, so the search is able to find one");
        for (cipher, given) in [
            ("ChaCha20-Poly1305", key.clone()),
            ("AES-256-GCM", key.clone()),
            ("AES", key),
            ("Blowfish", hex.clone()),
            ("3DES", hex),
        ] {
            secrets.new_cipher(cipher, given);
        }
        Some(secrets)
    }

    fn hex(&self) -> String {
        self.key.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn found(&self) -> Vec<usize> {
        occurrences(self.broker.pid(), &[self.key.clone(), self.hex().into_bytes(), self.plaintext.clone()])
    }

    fn new_cipher(&mut self, cipher: &str, key: Value) {
        let made = self.client.call("crypto.new", map([("cipher", cipher.into()), ("key", key)])).unwrap();
        self.ciphers.push(made["cipher_id"].clone());
    }

    fn use_ciphers(&mut self) {
        for id in &self.ciphers {
            // Inline and on a worker, and the answer in one piece and in many.
            for size in [1, 5000] {
                let text = Value::Binary(self.plaintext.repeat(size));
                let params = map([("cipher_id", id.clone()), ("plaintext", text)]);
                let sealed = self.client.call("crypto.encrypt", params).unwrap();
                let params = map([("cipher_id", id.clone()), ("hex_ciphertext", sealed["encrypted"].clone())]);
                self.client.call("crypto.decrypt", params).unwrap();
            }
        }
    }

    fn free_ciphers(&mut self) {
        for id in std::mem::take(&mut self.ciphers) {
            self.client.call("crypto.cleanup_cipher", map([("cipher_id", id)])).unwrap();
        }
        self.client.call("test.ping", none()).unwrap();
    }
}

#[test]
fn a_freed_key_and_a_plaintext_are_nowhere_in_memory() {
    let Some(mut secrets) = Secrets::begin() else { return };
    secrets.use_ciphers();
    let (key, data) = (Value::Binary(secrets.key.clone()), Value::Binary(secrets.plaintext.clone()));
    secrets.client.call("crypto.sign", map([("key", key.clone()), ("data", data)])).unwrap();
    let _ = secrets.client.call("crypto.derive_key", map([("passphrase", key), ("iterations", 10.into())]));
    secrets.free_ciphers();
    assert_eq!(secrets.found(), [0, 0, 0], "key, key in hex, plaintext");
}

#[test]
fn what_moved_at_a_reload_is_wiped_as_well() {
    let Some(mut secrets) = Secrets::begin() else { return };
    secrets.use_ciphers();
    // Half of a message is handed over, too.
    let text = map([("text", Value::Binary(secrets.plaintext.repeat(100)))]);
    let message = frame(&encode(&request(1, "test.echo", text)));
    let mut half = secrets.broker.connect();
    std::io::Write::write_all(&mut half.stream, &message[..message.len() / 2]).unwrap();
    for _ in 0..2 {
        secrets.client.call("system.reload", none()).unwrap();
    }
    assert!(secrets.found().iter().sum::<usize>() >= 2, "keys and the half message are there");
    secrets.use_ciphers();
    std::io::Write::write_all(&mut half.stream, &message[message.len() / 2..]).unwrap();
    assert!(half.answer(1).is_ok());
    secrets.free_ciphers();
    assert_eq!(secrets.found(), [0, 0, 0], "key, key in hex, plaintext");
    let left = std::fs::read_dir(format!("/proc/{}/fd", secrets.broker.pid())).unwrap();
    let names = left.filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok());
    assert!(
        !names.map(|name| name.display().to_string()).any(|name| name.contains("memfd")),
        "the memory file is closed"
    );
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
