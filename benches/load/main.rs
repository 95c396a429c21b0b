//! A load generator: C connections with P requests in flight each, against servers that take turns; throughput, ratios and latency
//! percentiles. One thread.
//!
//! ```text
//! cargo bench --bench load -- [LABEL:]NAME=SOCKET... [options]
//!     NAME: broker, redis, redis-set, redis-get, echo; ratios are of the first to each other
//!     --connections C,C   --in-flight P,P   --size BYTES,BYTES   --rounds N   --seconds S (a turn)
//!     --one-shot          a connection for each request
//!     --paced 20,50       latencies at so many percent of what each can carry
//!     --idle N            opens N more connections to the first, which do nothing, and tells its memory
//!     --count N           only makes N calls, P at a time on one connection, for who counts what they cost
//!     --topic T --place P names in the results
//! ```
//! Results are lines for `benches/report.pl`. Without a server (as `cargo test --benches` runs it) it does nothing.

mod contest;
mod drive;
mod exchange;
mod idle;
mod results;

use contest::Contest;
use exchange::Contestant;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use results::Results;
use std::error::Error;
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// How often a paced run sends what is due.
const TICK: Duration = Duration::from_micros(250);

struct Options {
    contestants: Vec<Contestant>,
    connections: Vec<usize>,
    in_flight: Vec<usize>,
    sizes: Vec<usize>,
    rounds: usize,
    seconds: f64,
    one_shot: bool,
    paced: Vec<usize>,
    idle: Option<usize>,
    count: Option<usize>,
    results: Results,
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = options()?;
    let Some(first) = options.contestants.first() else { return Ok(()) };
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    if let Some(count) = options.count {
        let in_flight = options.in_flight.first().copied().unwrap_or(1);
        return make_calls(first, options.sizes[0], in_flight, count);
    }
    let _open = options.idle.map(|count| idle::open(first, count, &options.results)).transpose()?;
    for &size in &options.sizes {
        let slice = Duration::from_secs_f64(options.seconds);
        let (contestants, results) = (options.contestants.clone(), options.results.clone());
        let contest = Contest { contestants, size, rounds: options.rounds, slice, results };
        if options.one_shot {
            contest.hold_one_shot()?;
        }
        for &connections in &options.connections {
            if !options.paced.is_empty() {
                contest.hold_paced(connections, TICK, &options.paced)?;
            }
            for &in_flight in &options.in_flight {
                contest.hold(connections, in_flight)?;
            }
        }
    }
    Ok(())
}

fn options() -> Result<Options, Box<dyn Error>> {
    let mut options = Options {
        contestants: Vec::new(),
        connections: Vec::new(),
        in_flight: Vec::new(),
        sizes: vec![0],
        rounds: 5,
        seconds: 0.3,
        one_shot: false,
        paced: Vec::new(),
        idle: None,
        count: None,
        results: Results { topic: "load".into(), place: "here".into() },
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} wants a value"));
        match argument.as_str() {
            "--connections" => options.connections = numbers(&value()?)?,
            "--in-flight" => options.in_flight = numbers(&value()?)?,
            "--size" => options.sizes = numbers(&value()?)?,
            "--rounds" => options.rounds = value()?.parse()?,
            "--seconds" => options.seconds = value()?.parse()?,
            "--idle" => options.idle = Some(value()?.parse()?),
            "--count" => options.count = Some(value()?.parse()?),
            "--paced" => options.paced = numbers(&value()?)?,
            "--one-shot" => options.one_shot = true,
            "--topic" => options.results.topic = value()?,
            "--place" => options.results.place = value()?,
            // What cargo itself passes.
            "--bench" | "--test" => {}
            other if other.starts_with("--") => return Err(format!("unknown option {other}").into()),
            contestant => options.contestants.push(Contestant::parse(contestant)?),
        }
    }
    Ok(options)
}

fn numbers(text: &str) -> Result<Vec<usize>, std::num::ParseIntError> {
    text.split(',').map(str::parse).collect()
}

fn make_calls(contestant: &Contestant, size: usize, in_flight: usize, count: usize) -> Result<(), Box<dyn Error>> {
    let exchange = contestant.kind.exchange(size);
    let requests = exchange.request.repeat(in_flight);
    let mut answers = vec![0; exchange.answer * in_flight];
    let mut stream = UnixStream::connect(&contestant.socket)?;
    for _ in 0..count / in_flight {
        drive::ask(&mut stream, &requests, &mut answers)?;
    }
    Ok(())
}
