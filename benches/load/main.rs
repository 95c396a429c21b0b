//! A load generator: C connections with P requests in flight each, against a socket; throughput and latency percentiles.
//!
//! ```text
//! cargo bench --bench load -- --socket PATH [--connections C] [--in-flight P] [--seconds S] [--one-shot] [--redis]
//! cargo bench --bench load -- --socket PATH --idle N      memory of N idle connections
//! cargo bench --bench load -- --contest broker=PATH,redis=PATH,echo=PATH [--connections C,C] [--in-flight P,P] [--rounds N] [--seconds S]
//! ```
//! `--redis` sends Redis' PING in place of `test.echo`, so that both are measured by the same means; `--contest` has several
//! servers take turns of S seconds. One thread. Without `--socket` or `--contest` (as `cargo test --benches` runs it) it does nothing.

mod contest;
mod drive;
mod exchange;

use contest::Contest;
use drive::{Driver, histogram};
use exchange::{Contestant, Exchange, Kind};
use hdrhistogram::Histogram;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use std::error::Error;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

struct Options {
    socket: PathBuf,
    contestants: Vec<Contestant>,
    connections: Vec<usize>,
    in_flight: Vec<usize>,
    rounds: usize,
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
        None if !options.contestants.is_empty() => contest(options),
        None if options.one_shot => one_shot(&options),
        None => persistent(&options),
    }
}

fn options() -> Result<Option<Options>, Box<dyn Error>> {
    let mut options = Options {
        socket: PathBuf::new(),
        contestants: Vec::new(),
        connections: vec![1],
        in_flight: vec![1],
        rounds: 5,
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
            "--contest" => {
                options.contestants = value()?.split(',').map(Contestant::parse).collect::<Result<_, _>>()?;
            }
            "--connections" => options.connections = numbers(&value()?)?,
            "--in-flight" => options.in_flight = numbers(&value()?)?,
            "--rounds" => options.rounds = value()?.parse()?,
            "--seconds" => options.seconds = value()?.parse()?,
            "--idle" => options.idle = Some(value()?.parse()?),
            "--one-shot" => options.one_shot = true,
            "--redis" => options.redis = true,
            // What cargo itself passes.
            "--bench" | "--test" => {}
            other => return Err(format!("unknown option {other}").into()),
        }
    }
    let has_work = !options.socket.as_os_str().is_empty() || !options.contestants.is_empty();
    Ok(Some(options).filter(|_| has_work))
}

fn numbers(text: &str) -> Result<Vec<usize>, std::num::ParseIntError> {
    text.split(',').map(str::parse).collect()
}

fn exchange(options: &Options) -> Exchange {
    if options.redis { Kind::Redis.exchange() } else { Kind::Broker.exchange() }
}

fn contest(options: Options) -> Result<(), Box<dyn Error>> {
    let slice = Duration::from_secs_f64(options.seconds);
    let Options { contestants, connections, in_flight, rounds, .. } = options;
    Contest { contestants, connections, in_flight, rounds, slice }.hold()
}

fn persistent(options: &Options) -> Result<(), Box<dyn Error>> {
    let (connections, in_flight) = (options.connections[0], options.in_flight[0]);
    let mut driver = Driver::connect(&options.socket, connections, exchange(options))?;
    let run = driver.run(in_flight, Duration::from_secs_f64(options.seconds))?;
    report(&format!("{connections} connections, {in_flight} in flight"), &run.latency, run.rate());
    Ok(())
}

fn one_shot(options: &Options) -> Result<(), Box<dyn Error>> {
    let exchange = exchange(options);
    let mut latency = histogram();
    let mut buffer = vec![0; exchange.answer];
    let begin = Instant::now();
    while begin.elapsed().as_secs_f64() < options.seconds {
        let connect = Instant::now();
        let mut stream = std::os::unix::net::UnixStream::connect(&options.socket)?;
        stream.write_all(&exchange.request)?;
        stream.read_exact(&mut buffer)?;
        latency.saturating_record(connect.elapsed().as_nanos() as u64);
    }
    let rate = latency.len() as f64 / begin.elapsed().as_secs_f64();
    report("a connection for each request", &latency, rate);
    Ok(())
}

fn report(form: &str, latency: &Histogram<u64>, rate: f64) {
    let micros = |quantile: f64| latency.value_at_quantile(quantile) as f64 / 1e3;
    println!(
        "{form:<30} {:>9.0}/s   p50 {:>8.1}  p99 {:>8.1}  p99.9 {:>8.1}  max {:>8.1} us",
        rate,
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
