//! What is asked of whom: one request and its answer, the same every time, so that answers are counted by their bytes.

use std::path::{Path, PathBuf};

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The broker, with `test.echo`: of nothing, what PING is to Redis. (`test.ping` reports figures, of no fixed length.)
    Broker,
    /// Redis, with PING, or ECHO of some bytes.
    Redis,
    /// Redis, setting a key.
    RedisSet,
    /// Redis, getting that key.
    RedisGet,
    /// The echo server, which moves the bytes of the broker's request and understands nothing.
    Echo,
}

const NAMES: [(&str, Kind); 5] = [
    ("broker", Kind::Broker),
    ("redis", Kind::Redis),
    ("redis-set", Kind::RedisSet),
    ("redis-get", Kind::RedisGet),
    ("echo", Kind::Echo),
];
const KEY: &str = "bench";

/// A request and how long its answer is.
#[derive(Clone)]
pub struct Exchange {
    /// What has to be asked once before, and how long the answer to that is.
    pub before: Option<(Vec<u8>, usize)>,
    /// The bytes of the request.
    pub request: Vec<u8>,
    /// The length of the answer.
    pub answer: usize,
}

impl Kind {
    fn named(name: &str) -> Option<Self> {
        NAMES.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind)
    }

    /// A request that carries so many bytes there and back (SET only there, GET only back).
    pub fn exchange(self, size: usize) -> Exchange {
        let data = "x".repeat(size);
        let bulk = format!("${size}\r\n{data}\r\n").len();
        let plain = |request: Vec<u8>, answer| Exchange { before: None, request, answer };
        match self {
            Self::Broker => {
                let params = parameters(&data);
                plain(
                    frame(&[b"\x94\x00\x01\xa9test.echo", &params[..]]),
                    frame(&[b"\x94\x01\x01\xc0", &params[..]]).len(),
                )
            }
            Self::Echo => {
                let request = frame(&[b"\x94\x00\x01\xa9test.echo", &parameters(&data)[..]]);
                let answer = request.len();
                plain(request, answer)
            }
            Self::Redis if size == 0 => plain(redis(&["PING"]), "+PONG\r\n".len()),
            Self::Redis => plain(redis(&["ECHO", &data]), bulk),
            Self::RedisSet => plain(redis(&["SET", KEY, &data]), "+OK\r\n".len()),
            Self::RedisGet => Exchange {
                before: Some((redis(&["SET", KEY, &data]), "+OK\r\n".len())),
                request: redis(&["GET", KEY]),
                answer: bulk,
            },
        }
    }
}

/// The map of parameters: nothing, or some bytes.
fn parameters(data: &str) -> Vec<u8> {
    if data.is_empty() {
        return vec![0x80];
    }
    let length = data.len() as u32;
    [&b"\x81\xa4data\xc6"[..], &length.to_be_bytes(), data.as_bytes()].concat()
}

fn frame(parts: &[&[u8]]) -> Vec<u8> {
    let message = parts.concat();
    [&(message.len() as u32).to_be_bytes(), &message[..]].concat()
}

/// A command as Redis' clients send it (RESP, <https://redis.io/docs/latest/develop/reference/protocol-spec/>).
fn redis(words: &[&str]) -> Vec<u8> {
    let count = words.len();
    let words: String = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len())).collect();
    format!("*{count}\r\n{words}").into_bytes()
}

/// One of those that are compared.
#[derive(Clone)]
pub struct Contestant {
    /// What it is called in the results.
    pub label: String,
    /// Who.
    pub kind: Kind,
    /// Where it listens.
    pub socket: PathBuf,
}

impl Contestant {
    /// From `[LABEL:]NAME=SOCKET`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (who, socket) = text.split_once('=').ok_or_else(|| format!("{text}: [LABEL:]NAME=SOCKET is wanted"))?;
        let (label, name) = who.split_once(':').unwrap_or((who, who));
        let kind = Kind::named(name).ok_or_else(|| format!("nobody is called {name}"))?;
        Ok(Self { label: label.to_owned(), kind, socket: Path::new(socket).to_owned() })
    }
}
