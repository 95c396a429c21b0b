//! What is asked of whom: one request and its answer, the same every time, so that answers are counted by their bytes.

use std::path::{Path, PathBuf};

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The broker, with `test.echo` of nothing: what PING is to Redis. (`test.ping` reports figures, of no fixed length.)
    Broker,
    /// Redis, with PING.
    Redis,
    /// The echo server, which moves the bytes of the broker's request and understands nothing.
    Echo,
}

/// A request and how long its answer is.
#[derive(Clone)]
pub struct Exchange {
    /// The bytes of the request.
    pub request: Vec<u8>,
    /// The length of the answer.
    pub answer: usize,
}

const ECHO: &[u8] = b"\x00\x00\x00\x0e\x94\x00\x01\xa9test.echo\x80";
const ECHO_ANSWER: usize = b"\x00\x00\x00\x05\x94\x01\x01\xc0\x80".len();
const PING: &[u8] = b"*1\r\n$4\r\nPING\r\n";
const PING_ANSWER: usize = b"+PONG\r\n".len();

impl Kind {
    /// The one of a name on the command line.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "broker" => Self::Broker,
            "redis" => Self::Redis,
            "echo" => Self::Echo,
            _ => return None,
        })
    }

    /// The name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Broker => "broker",
            Self::Redis => "redis",
            Self::Echo => "echo",
        }
    }

    /// What is sent, and how long what comes back is.
    pub fn exchange(self) -> Exchange {
        let (request, answer) = match self {
            Self::Broker => (ECHO, ECHO_ANSWER),
            Self::Redis => (PING, PING_ANSWER),
            Self::Echo => (ECHO, ECHO.len()),
        };
        Exchange { request: request.to_vec(), answer }
    }
}

/// One of those that are compared.
#[derive(Clone)]
pub struct Contestant {
    /// Who.
    pub kind: Kind,
    /// Where it listens.
    pub socket: PathBuf,
}

impl Contestant {
    /// From `NAME=SOCKET`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (name, socket) = text.split_once('=').ok_or_else(|| format!("{text}: NAME=SOCKET is wanted"))?;
        let kind = Kind::named(name).ok_or_else(|| format!("nobody is called {name}"))?;
        Ok(Self { kind, socket: Path::new(socket).to_owned() })
    }
}
