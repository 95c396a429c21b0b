//! Calls that nobody in their right mind makes, and some that somebody does: whatever comes, the broker answers each once, loses
//! nothing, keeps nothing, and an innocent client is served throughout.

use crate::support::*;
use rmpv::Value;

/// A small generator with a seed that can be printed (xorshift64*, Vigna 2016).
pub struct Random(u64);

impl Random {
    /// Seeded by RANDOM_SEED, or else anew each time; says which.
    pub fn new() -> Self {
        let seed = std::env::var("RANDOM_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or_else(|| {
            u64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() & u128::from(u64::MAX)).unwrap() | 1
        });
        println!("RANDOM_SEED={seed}");
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len() as u64) as usize]
    }
}

fn anything(random: &mut Random, depth: u32) -> Value {
    match random.below(if depth > 3 { 10 } else { 12 }) {
        0 => Value::Nil,
        1 => Value::Boolean(random.below(2) == 0),
        2 => Value::from(random.next()),
        3 => Value::from(-(random.below(1 << 40) as i64)),
        4 => Value::from(f64::from_bits(random.next())),
        5 => Value::from((random.below(7)).to_string()),
        6 => Value::Binary((0..random.below(40)).map(|_| random.next() as u8).collect()),
        7 => Value::from("61".repeat(random.below(40) as usize)),
        8 => Value::from("\u{0}ä\u{10ffff}%n../../etc/passwd\r\nX: y"),
        9 => Value::Ext(random.next() as i8, vec![1, 2, 3]),
        10 => Value::Array((0..random.below(4)).map(|_| anything(random, depth + 1)).collect()),
        _ => Value::Map(
            (0..random.below(4)).map(|n| (Value::from(n.to_string()), anything(random, depth + 1))).collect(),
        ),
    }
}

/// A value that a parameter of that name might take.
fn likely(random: &mut Random, name: &str, handles: &[Value]) -> Value {
    match name {
        "cipher_id" | "chain_id" | "session_id" | "stream_id" | "body_id" if !handles.is_empty() => {
            random.pick(handles).clone()
        }
        "cipher" => {
            (*random.pick(&["Blowfish", "AES", "DES", "3DES", "AES-256-GCM", "ChaCha20-Poly1305", "CAST5"])).into()
        }
        "chain_mode" => (*random.pick(&["cbc", "pcbc", "cfb", "ofb", "ctr"])).into(),
        "direction" => (*random.pick(&["encrypt", "decrypt"])).into(),
        "algorithm" | "digest" => (*random.pick(&["SHA256", "SHA1", "MD5", "HMAC-SHA256", "Ed25519"])).into(),
        "kdf" => (*random.pick(&["PBKDF2", "HKDF", "EVP_BytesToKey"])).into(),
        "key" => Value::Binary(vec![7; *random.pick(&[8, 16, 24, 32])]),
        "iv" => Value::Binary(vec![7; *random.pick(&[8, 16])]),
        "salt" | "passphrase" | "data" | "plaintext" | "content" => "some text".into(),
        "hex_ciphertext" | "plaintext_hex" | "signature" => "00".repeat(32).into(),
        "iterations" => 10.into(),
        "length" | "seconds" | "timeout" => 0.01.into(),
        // Nobody listens there, and nobody is to hear of it.
        "url" => {
            (*random.pick(&["http://127.0.0.1:1/", "https://127.0.0.1:1/x", "nonsense", "file:///etc/passwd"])).into()
        }
        "path" | "key_file" | "ca_file" => "/nonexistent/file".into(),
        "method" => (*random.pick(&["GET", "POST", "G ET"])).into(),
        "module" => "crypto".into(),
        _ => anything(random, 0),
    }
}

/// Ending the broker or other connections, and sleeping as long as a random number says, are what they are.
fn is_harmless(method: &str) -> bool {
    !["system.shutdown", "system.close_connection", "system.lock", "test.sleep"].contains(&method)
}

#[test]
fn whatever_is_called_is_answered_once_and_nothing_is_kept() {
    const CALLS: usize = 6_000;
    let mut random = Random::new();
    let broker = Broker::start(&["--max-handles=200"]);
    let innocent = Innocent::beside(&broker);
    let modules = broker.call("system.modules", none()).unwrap();
    let functions: Vec<(String, Vec<String>)> = modules
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|module| {
            module["functions"].as_array().unwrap().iter().map(move |function| {
                let parameters = function["parameters"].as_array().unwrap();
                let names = parameters.iter().map(|p| p["name"].as_str().unwrap().to_owned()).collect();
                (format!("{}.{}", module["name"].as_str().unwrap(), function["name"].as_str().unwrap()), names)
            })
        })
        .filter(|(method, _)| is_harmless(method))
        .collect();
    assert!(functions.len() > 40);
    let mut clients: Vec<Client> = (0..4).map(|_| broker.connect()).collect();
    let mut handles: Vec<Value> = Vec::new();
    let (mut succeeded, mut failed) = (0, 0);
    for _ in 0..CALLS {
        let (method, names) = random.pick(&functions).clone();
        let params = match random.below(12) {
            0 => anything(&mut random, 0),
            _ => {
                let mut pairs = Vec::new();
                for name in &names {
                    // Half a million rounds are a fine default, and take longer than this test has.
                    if random.below(3) > 0 || name == "iterations" {
                        let sensible = random.below(10) > 0 || name == "iterations";
                        let value =
                            if sensible { likely(&mut random, name, &handles) } else { anything(&mut random, 0) };
                        pairs.push((Value::from(name.as_str()), value));
                    }
                }
                Value::Map(pairs)
            }
        };
        let client = random.below(4) as usize;
        match clients[client].call(&method, params) {
            Ok(result) => {
                succeeded += 1;
                for name in ["cipher_id", "chain_id", "session_id", "stream_id", "body_id"] {
                    if let Some(id) =
                        result.as_map().and_then(|map| map.iter().find(|(key, _)| key.as_str() == Some(name)))
                    {
                        handles.push(id.1.clone());
                    }
                }
            }
            Err(error) => {
                failed += 1;
                assert_ne!(error["code"], "internal".into(), "{method}: {error}");
                assert!(!error["message"].as_str().unwrap().is_empty());
            }
        }
    }
    assert!(succeeded > CALLS / 20 && failed > CALLS / 20, "{succeeded} succeeded, {failed} failed");
    let mut client = broker.connect();
    for id in handles {
        for (method, name) in [
            ("crypto.cleanup_cipher", "cipher_id"),
            ("crypto.chain_free", "chain_id"),
            ("http_helper.session_free", "session_id"),
            ("http_helper.close", "stream_id"),
            ("http_helper.body_free", "body_id"),
        ] {
            client.call(method, map([(name, id.clone())])).unwrap();
        }
    }
    let metrics = client.call("system.metrics", none()).unwrap();
    assert_eq!(metrics["handle_summary"], none(), "no handle is left");
    assert_eq!(client.call("system.health", none()).unwrap()["checks"]["daemon_running"]["status"], "pass".into());
    assert!(innocent.served() > 0);
}
