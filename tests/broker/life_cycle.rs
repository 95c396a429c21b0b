//! The life of connections, held against a model: random schedules of everything that can happen to one, and afterwards every call
//! was answered exactly once or its connection is gone, and nothing is left.

use crate::random_calls::Random;
use crate::support::*;
use rmpv::Value;
use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::Instant;

/// What a call is to bring.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Expected {
    /// Its number, echoed.
    Echo,
    /// A sleep's result, or the word that it was given up.
    Sleep,
    /// A large text.
    Large,
}

const LARGE: usize = 30_000;

/// One client and what it may expect.
struct Modelled {
    stream: UnixStream,
    // What is still to be written: the rest of a frame that was begun.
    unsent: Vec<u8>,
    received: Vec<u8>,
    // Calls that were sent whole, or will be.
    calls: HashMap<u64, Expected>,
    next: u64,
    half_closed: bool,
}

impl Modelled {
    fn connect(broker: &Broker) -> Self {
        let stream = UnixStream::connect(broker.socket()).unwrap();
        stream.set_nonblocking(true).unwrap();
        Self { stream, unsent: Vec::new(), received: Vec::new(), calls: HashMap::new(), next: 1, half_closed: false }
    }

    fn begin_call(&mut self, random: &mut Random) {
        let msgid = self.next;
        self.next += 1;
        let id = u32::try_from(msgid).unwrap();
        let (expected, message) = match random.below(8) {
            0 | 1 => {
                let seconds = random.below(20) as f64 / 1000.0;
                (Expected::Sleep, request(id, "test.sleep", map([("seconds", seconds.into())])))
            }
            2 => (Expected::Large, request(id, "test.echo", map([("large", "x".repeat(LARGE).into())]))),
            _ => (Expected::Echo, request(id, "test.echo", map([("n", id.into())]))),
        };
        self.unsent.extend_from_slice(&frame(&encode(&message)));
        self.calls.insert(msgid, expected);
    }

    /// Gives up a call, perhaps one that is answered already or never was made.
    fn cancel(&mut self, random: &mut Random) {
        let msgid = 1 + random.below(self.next);
        let message = Value::Array(vec![2.into(), "rpc.cancel".into(), Value::Array(vec![msgid.into()])]);
        self.unsent.extend_from_slice(&frame(&encode(&message)));
    }

    /// Writes up to so many bytes of what is there to be written.
    fn write(&mut self, most: usize) {
        let count = most.min(self.unsent.len());
        match self.stream.write(&self.unsent[..count]) {
            Ok(written) => drop(self.unsent.drain(..written)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => panic!("the broker closed a connection that kept to the rules: {error}"),
        }
    }

    /// Reads up to so many bytes. True at the end of the stream.
    fn read(&mut self, most: usize) -> bool {
        let mut buffer = vec![0; most];
        match self.stream.read(&mut buffer) {
            Ok(0) => true,
            Ok(count) => {
                self.received.extend_from_slice(&buffer[..count]);
                self.check_answers();
                false
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => false,
            Err(error) => panic!("{error}"),
        }
    }

    fn check_answers(&mut self) {
        while self.received.len() >= 4 {
            let length = u32::from_be_bytes(self.received[..4].try_into().unwrap()) as usize;
            if self.received.len() < 4 + length {
                return;
            }
            let body: Vec<u8> = self.received.drain(..4 + length).skip(4).collect();
            let Value::Array(parts) = rmpv::decode::read_value(&mut &body[..]).unwrap() else { panic!("no answer") };
            assert_eq!(parts[0], 1.into(), "{parts:?}");
            let msgid = parts[1].as_u64().unwrap();
            let expected = self.calls.remove(&msgid).expect("an answer to a call that waits for one, and only one");
            let error = parts[2]["code"].as_str();
            match expected {
                Expected::Echo => assert_eq!(parts[3]["n"], msgid.into()),
                Expected::Large => assert_eq!(parts[3]["large"].as_str().map(str::len), Some(LARGE)),
                Expected::Sleep => assert!(error.is_none() || error == Some("cancelled"), "{parts:?}"),
            }
        }
    }

    /// Sends and reads all that is outstanding; half-closed or not, everything comes.
    fn finish(mut self, random: &mut Random) {
        let begin = Instant::now();
        let mut ended = false;
        while !self.unsent.is_empty() || !self.calls.is_empty() {
            assert!(begin.elapsed() < PATIENCE, "{} calls are not answered", self.calls.len());
            if !self.unsent.is_empty() {
                self.write(usize::MAX);
            } else if !self.half_closed && random.below(2) == 0 {
                self.stream.shutdown(Shutdown::Write).unwrap();
                self.half_closed = true;
            }
            ended = self.read(65_536);
            assert!(!ended || self.calls.is_empty(), "the end came before {} answers", self.calls.len());
            std::thread::yield_now();
        }
        if self.half_closed {
            eventually("the end of the stream", || ended || self.read(1));
        }
        assert!(self.received.is_empty(), "no bytes are left over");
    }
}

fn open_descriptors(broker: &Broker) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", broker.pid())).unwrap().count()
}

#[test]
fn random_lives_end_with_every_call_answered_once_and_nothing_left() {
    const STEPS: usize = 30_000;
    let mut random = Random::new();
    let broker =
        Broker::start(&["--log-level=warning", "--high-water=64KiB", "--low-water=16KiB", "--max-outstanding=32"]);
    // Workers and their waker are made with the first call that wants them.
    broker.call("test.sleep", map([("seconds", 0.into())])).unwrap();
    let before = open_descriptors(&broker);
    let mut living: Vec<Modelled> = Vec::new();
    for _ in 0..STEPS {
        if living.is_empty() || (living.len() < 40 && random.below(20) == 0) {
            living.push(Modelled::connect(&broker));
        }
        let at = random.below(living.len() as u64) as usize;
        let one = &mut living[at];
        match random.below(40) {
            0 => living.swap_remove(at).finish(&mut random),
            // Gone without a word: with answers unread, which the kernel tells as a reset, or in the middle of a frame.
            1 => drop(living.swap_remove(at)),
            2 if one.unsent.is_empty() && !one.half_closed => {
                one.stream.shutdown(Shutdown::Write).unwrap();
                one.half_closed = true;
            }
            3 if !one.half_closed => one.cancel(&mut random),
            4..=16 if !one.half_closed && one.calls.len() < 200 => one.begin_call(&mut random),
            17..=28 if !one.unsent.is_empty() => one.write(1 + random.below(40_000) as usize),
            29 if !one.unsent.is_empty() => one.write(1),
            // Others read little, or nothing for long.
            _ if at.is_multiple_of(3) => drop(one.read(1 + random.below(100) as usize)),
            _ => drop(one.read(65_536)),
        }
    }
    for one in living {
        one.finish(&mut random);
    }
    let mut asking = broker.connect();
    eventually("the end of all connections", || {
        asking.call("test.stats", none()).unwrap()["active_connections"] == 1.into()
    });
    eventually("the end of all jobs", || {
        let details = asking.call("system.health", none()).unwrap()["checks"]["workers"]["details"].clone();
        details["busy"] == 0.into() && details["queued"] == 0.into()
    });
    let seen = asking.call("system.connections", none()).unwrap();
    let closed: u64 = seen["closed"].as_map().unwrap().iter().map(|(_, count)| count.as_u64().unwrap()).sum();
    assert_eq!(closed + 1, seen["connections_accepted"].as_u64().unwrap(), "every connection has one end");
    assert!(seen["closed"]["protocol"].is_nil() && seen["closed"]["io"].as_u64().is_none_or(|count| count < closed));
    drop(asking);
    eventually("as many descriptors as before", || open_descriptors(&broker) <= before);
    assert_eq!(broker.call("system.metrics", none()).unwrap()["handle_summary"], none());
    assert_eq!(broker.call("system.health", none()).unwrap()["checks"]["daemon_running"]["status"], "pass".into());
}
