//! C connections with P requests in flight each, driven by one thread, so that on two cores the other is left to who is measured.

use crate::exchange::Exchange;
use hdrhistogram::Histogram;
use mio::net::UnixStream;
use mio::{Events, Interest, Poll, Token};
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

/// What is read at once.
const BUFFER: usize = 256 * 1024;

/// Connections to one server, with nothing in flight between two runs.
pub struct Driver {
    exchange: Exchange,
    poll: Poll,
    connections: Vec<Connection>,
    buffer: Vec<u8>,
}

struct Connection {
    stream: UnixStream,
    unsent: Vec<u8>,
    received: usize,
    sent_at: VecDeque<Instant>,
}

/// What a run came to.
pub struct Run {
    /// Answers that came while it was on.
    pub answers: u64,
    /// How long it was on.
    pub took: Duration,
    /// From each request to its answer, nanoseconds.
    pub latency: Histogram<u64>,
}

impl Run {
    /// Answers a second.
    pub fn rate(&self) -> f64 {
        self.answers as f64 / self.took.as_secs_f64()
    }
}

/// A histogram from a nanosecond to a minute.
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("constant bounds are valid")
}

impl Driver {
    /// Connects.
    pub fn connect(socket: &Path, count: usize, exchange: Exchange) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut connections = Vec::with_capacity(count);
        for token in 0..count {
            let mut stream = connect(socket)?;
            poll.registry().register(&mut stream, Token(token), Interest::READABLE)?;
            connections.push(Connection { stream, unsent: Vec::new(), received: 0, sent_at: VecDeque::new() });
        }
        Ok(Self { exchange, poll, connections, buffer: vec![0; BUFFER] })
    }

    /// Keeps so many requests in flight on each connection for a time, and then takes the answers that are still to come.
    pub fn run(&mut self, in_flight: usize, duration: Duration) -> io::Result<Run> {
        let mut latency = histogram();
        let begin = Instant::now();
        let end = begin + duration;
        for connection in &mut self.connections {
            connection.send(&self.exchange, in_flight, begin)?;
        }
        let mut outstanding = in_flight * self.connections.len();
        let mut answers = 0;
        let mut ended = None;
        let mut events = Events::with_capacity(1024);
        while outstanding > 0 {
            self.poll.poll(&mut events, Some(Duration::from_millis(100)))?;
            let now = Instant::now();
            if ended.is_none() && now >= end {
                ended = Some((answers, now - begin));
            }
            for event in &events {
                let connection = &mut self.connections[event.token().0];
                let came = connection.receive(&self.exchange, &mut latency, &mut self.buffer)?;
                answers += came as u64;
                if ended.is_none() {
                    connection.send(&self.exchange, came, Instant::now())?;
                } else {
                    outstanding -= came;
                    connection.send(&self.exchange, 0, now)?;
                }
            }
        }
        let (answers, took) = ended.unwrap_or((answers, begin.elapsed()));
        Ok(Run { answers, took, latency })
    }
}

/// A listen queue that is full is emptied soon.
fn connect(socket: &Path) -> io::Result<UnixStream> {
    loop {
        match UnixStream::connect(socket) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::yield_now(),
            result => return result,
        }
    }
}

impl Connection {
    fn send(&mut self, exchange: &Exchange, count: usize, now: Instant) -> io::Result<()> {
        for _ in 0..count {
            self.unsent.extend_from_slice(&exchange.request);
            self.sent_at.push_back(now);
        }
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(written) => drop(self.unsent.drain(..written)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads until there is nothing more; returns how many answers came.
    fn receive(&mut self, exchange: &Exchange, latency: &mut Histogram<u64>, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.stream.read(buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => {
                    self.received += count;
                    if count < buffer.len() {
                        break;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        let answers = self.received / exchange.answer;
        self.received %= exchange.answer;
        let now = Instant::now();
        for sent in self.sent_at.drain(..answers) {
            latency.saturating_record((now - sent).as_nanos() as u64);
        }
        Ok(answers)
    }
}
