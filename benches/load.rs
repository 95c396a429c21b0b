//! A load generator: C connections with P requests in flight each, against a socket; throughput and latency percentiles.
//!
//! ```text
//! cargo bench --bench load -- --socket PATH [--connections C] [--in-flight P] [--seconds S] [--one-shot] [--redis]
//! cargo bench --bench load -- --socket PATH --idle N      memory of N idle connections
//! ```
//! `--redis` sends Redis' PING in place of `test.echo`, so that both are measured by the same means. One thread, so that
//! on two cores the other is left to who is measured. Without `--socket` (as `cargo test --benches` runs it) it does
//! nothing.

use hdrhistogram::Histogram;
use mio::net::UnixStream;
use mio::{Events, Interest, Poll, Token};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use std::collections::VecDeque;
use std::error::Error;
use std::io::{ErrorKind, Read, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// A request and how long its answer is; both the same every time, so answers are counted by bytes.
struct Exchange {
    request: Vec<u8>,
    answer: usize,
}

const ECHO: &[u8] = b"\x00\x00\x00\x0e\x94\x00\x01\xa9test.echo\x80";
const ECHO_ANSWER: usize = b"\x00\x00\x00\x05\x94\x01\x01\xc0\x80".len();
const PING: &[u8] = b"*1\r\n$4\r\nPING\r\n";
const PING_ANSWER: usize = b"+PONG\r\n".len();

struct Options {
    socket: PathBuf,
    connections: usize,
    in_flight: usize,
    seconds: f64,
    one_shot: bool,
    redis: bool,
    idle: Option<usize>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let Some(options) = options()? else { return Ok(()) };
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    match options.idle {
        Some(count) => idle(&options, count),
        None if options.one_shot => one_shot(&options),
        None => persistent(&options),
    }
}

fn options() -> Result<Option<Options>, Box<dyn Error>> {
    let mut options = Options {
        socket: PathBuf::new(),
        connections: 1,
        in_flight: 1,
        seconds: 2.0,
        one_shot: false,
        redis: false,
        idle: None,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} wants a value"));
        match argument.as_str() {
            "--socket" => options.socket = value()?.into(),
            "--connections" => options.connections = value()?.parse()?,
            "--in-flight" => options.in_flight = value()?.parse()?,
            "--seconds" => options.seconds = value()?.parse()?,
            "--idle" => options.idle = Some(value()?.parse()?),
            "--one-shot" => options.one_shot = true,
            "--redis" => options.redis = true,
            // What cargo itself passes.
            "--bench" | "--test" => {}
            other => return Err(format!("unknown option {other}").into()),
        }
    }
    Ok(Some(options).filter(|options| !options.socket.as_os_str().is_empty()))
}

fn exchange(options: &Options) -> Exchange {
    let (request, answer) = if options.redis { (PING, PING_ANSWER) } else { (ECHO, ECHO_ANSWER) };
    Exchange { request: request.to_vec(), answer }
}

struct Connection {
    stream: UnixStream,
    unsent: Vec<u8>,
    received: usize,
    sent_at: VecDeque<Instant>,
}

impl Connection {
    fn send(&mut self, exchange: &Exchange, count: usize, now: Instant) -> std::io::Result<()> {
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
    fn receive(
        &mut self,
        exchange: &Exchange,
        latency: &mut Histogram<u64>,
        buffer: &mut [u8],
    ) -> std::io::Result<usize> {
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

fn persistent(options: &Options) -> Result<(), Box<dyn Error>> {
    let exchange = exchange(options);
    let mut poll = Poll::new()?;
    let mut connections = Vec::new();
    for token in 0..options.connections {
        let mut stream = UnixStream::connect(&options.socket)?;
        poll.registry().register(&mut stream, Token(token), Interest::READABLE)?;
        connections.push(Connection { stream, unsent: Vec::new(), received: 0, sent_at: VecDeque::new() });
    }
    let mut latency = Histogram::<u64>::new_with_bounds(1, 60_000_000_000, 3)?;
    let mut buffer = vec![0; 256 * 1024];
    let begin = Instant::now();
    let end = begin + Duration::from_secs_f64(options.seconds);
    for connection in &mut connections {
        connection.send(&exchange, options.in_flight, begin)?;
    }
    let mut events = Events::with_capacity(1024);
    while Instant::now() < end {
        poll.poll(&mut events, Some(Duration::from_millis(100)))?;
        for event in &events {
            let connection = &mut connections[event.token().0];
            let answers = connection.receive(&exchange, &mut latency, &mut buffer)?;
            connection.send(&exchange, answers, Instant::now())?;
        }
    }
    let form = format!("{} connections, {} in flight", options.connections, options.in_flight);
    report(&form, &latency, begin.elapsed());
    Ok(())
}

fn one_shot(options: &Options) -> Result<(), Box<dyn Error>> {
    let exchange = exchange(options);
    let mut latency = Histogram::<u64>::new_with_bounds(1, 60_000_000_000, 3)?;
    let mut buffer = vec![0; exchange.answer];
    let begin = Instant::now();
    while begin.elapsed().as_secs_f64() < options.seconds {
        let connect = Instant::now();
        let mut stream = std::os::unix::net::UnixStream::connect(&options.socket)?;
        stream.write_all(&exchange.request)?;
        stream.read_exact(&mut buffer)?;
        latency.saturating_record(connect.elapsed().as_nanos() as u64);
    }
    report("a connection for each request", &latency, begin.elapsed());
    Ok(())
}

fn report(form: &str, latency: &Histogram<u64>, elapsed: Duration) {
    let micros = |quantile: f64| latency.value_at_quantile(quantile) as f64 / 1e3;
    println!(
        "{form:<30} {:>9.0}/s   p50 {:>8.1}  p99 {:>8.1}  p99.9 {:>8.1}  max {:>8.1} us",
        latency.len() as f64 / elapsed.as_secs_f64(),
        micros(0.5),
        micros(0.99),
        micros(0.999),
        latency.max() as f64 / 1e3,
    );
}

/// Opens connections, makes one call on each, and leaves them idle.
fn idle(options: &Options, count: usize) -> Result<(), Box<dyn Error>> {
    let exchange = exchange(options);
    let mut buffer = vec![0; exchange.answer];
    let mut open = || -> Result<std::os::unix::net::UnixStream, Box<dyn Error>> {
        let mut stream = std::os::unix::net::UnixStream::connect(&options.socket)?;
        stream.write_all(&exchange.request)?;
        stream.read_exact(&mut buffer)?;
        Ok(stream)
    };
    let first = open()?;
    let peer = getsockopt(&first, PeerCredentials)?;
    let before = resident(peer.pid())?;
    let mut connections = vec![first];
    while connections.len() < count {
        connections.push(open()?);
    }
    let after = resident(peer.pid())?;
    println!(
        "{count} idle connections: {:.2} MB resident, {:.2} MB before them, {:.0} bytes each",
        after as f64 / f64::from(1 << 20),
        before as f64 / f64::from(1 << 20),
        (after - before) as f64 / count as f64,
    );
    Ok(())
}

/// Resident memory of a process, in bytes, by its own figures.
fn resident(pid: i32) -> Result<u64, Box<dyn Error>> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    let kilobytes: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kilobytes * 1024)
}
