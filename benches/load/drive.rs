//! C connections with P requests in flight each, driven by one thread, so that on two cores the other is left to who is measured.

use crate::exchange::Exchange;
use crate::results::histogram;
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
    poll: Poll,
    events: Events,
    connections: Vec<Connection>,
    exchange: Exchange,
    buffer: Vec<u8>,
}

struct Connection {
    stream: UnixStream,
    unsent: Vec<u8>,
    wants_write: bool,
    received: usize,
    // When requests were due, and how many at that time.
    sent: VecDeque<(Instant, usize)>,
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

impl Driver {
    /// Connects, and asks what has to be asked before.
    pub fn connect(socket: &Path, count: usize, exchange: Exchange) -> io::Result<Self> {
        if let Some((request, answer)) = &exchange.before {
            ask(&mut std::os::unix::net::UnixStream::connect(socket)?, request, &mut vec![0; *answer])?;
        }
        let poll = Poll::new()?;
        let mut connections = Vec::with_capacity(count);
        for token in 0..count {
            let mut stream = connect(socket)?;
            poll.registry().register(&mut stream, Token(token), Interest::READABLE)?;
            let (unsent, sent) = (Vec::new(), VecDeque::new());
            connections.push(Connection { stream, unsent, wants_write: false, received: 0, sent });
        }
        Ok(Self { poll, events: Events::with_capacity(1024), connections, exchange, buffer: vec![0; BUFFER] })
    }

    /// Keeps so many requests in flight on each connection for a time, and then takes the answers that are still to come.
    pub fn run(&mut self, in_flight: usize, duration: Duration) -> io::Result<Run> {
        let mut latency = histogram();
        let begin = Instant::now();
        let end = begin + duration;
        for index in 0..self.connections.len() {
            self.send(index, in_flight, begin)?;
        }
        let mut outstanding = in_flight * self.connections.len();
        let mut answers = 0;
        let mut ended = None;
        while outstanding > 0 {
            self.wait(None)?;
            let now = Instant::now();
            if ended.is_none() && now >= end {
                ended = Some((answers, now - begin));
            }
            for index in self.ready() {
                let came = self.receive(index, &mut latency)?;
                answers += came as u64;
                let more = if ended.is_none() { came } else { 0 };
                outstanding = outstanding + more - came;
                self.send(index, more, Instant::now())?;
            }
        }
        let (answers, took) = ended.unwrap_or((answers, begin.elapsed()));
        Ok(Run { answers, took, latency })
    }

    /// Sends so many requests a second for a time, whatever becomes of them: a share every `tick`, in turn on each connection. What
    /// counts is the time from the tick to the answer, also when the request could only be sent later.
    pub fn run_paced(&mut self, rate: f64, tick: Duration, duration: Duration) -> io::Result<Run> {
        let mut latency = histogram();
        let begin = Instant::now();
        let (mut ticks, mut sent, mut answers, mut next) = (0_u32, 0_u64, 0_u64, 0);
        let total = (rate * duration.as_secs_f64()) as u64;
        while answers < total {
            let due = begin + tick * ticks;
            let now = Instant::now();
            if sent < total && now >= due {
                let wanted = total.min((rate * (tick * (ticks + 1)).as_secs_f64()) as u64);
                while sent < wanted {
                    self.send(next, 1, due)?;
                    next = (next + 1) % self.connections.len();
                    sent += 1;
                }
                ticks += 1;
                continue;
            }
            self.wait(if sent < total { Some(due - now) } else { None })?;
            for index in self.ready() {
                answers += self.receive(index, &mut latency)? as u64;
                self.send(index, 0, now)?;
            }
        }
        Ok(Run { answers, took: begin.elapsed(), latency })
    }

    /// Waits for events; with a limit that is finer than the milliseconds of epoll_wait.
    fn wait(&mut self, limit: Option<Duration>) -> io::Result<()> {
        use nix::poll::{PollFd, PollFlags, ppoll};
        use std::os::fd::{AsRawFd, BorrowedFd};
        if let Some(limit) = limit {
            // SAFETY: the poll owns its descriptor and outlives this call.
            let queue = unsafe { BorrowedFd::borrow_raw(self.poll.as_raw_fd()) };
            ppoll(&mut [PollFd::new(queue, PollFlags::POLLIN)], Some(limit.into()), None)?;
        }
        let timeout = limit.map_or(Duration::from_millis(100), |_| Duration::ZERO);
        match self.poll.poll(&mut self.events, Some(timeout)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()),
            result => result,
        }
    }

    fn ready(&self) -> Vec<usize> {
        self.events.iter().map(|event| event.token().0).collect()
    }

    fn send(&mut self, index: usize, count: usize, due: Instant) -> io::Result<()> {
        let connection = &mut self.connections[index];
        for _ in 0..count {
            connection.unsent.extend_from_slice(&self.exchange.request);
        }
        if count > 0 {
            connection.sent.push_back((due, count));
        }
        connection.flush()?;
        let wants_write = !connection.unsent.is_empty();
        if wants_write != connection.wants_write {
            connection.wants_write = wants_write;
            let interest = if wants_write { Interest::READABLE | Interest::WRITABLE } else { Interest::READABLE };
            self.poll.registry().reregister(&mut connection.stream, Token(index), interest)?;
        }
        Ok(())
    }

    fn receive(&mut self, index: usize, latency: &mut Histogram<u64>) -> io::Result<usize> {
        self.connections[index].receive(self.exchange.answer, latency, &mut self.buffer)
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

/// One request and its answer.
pub fn ask(stream: &mut std::os::unix::net::UnixStream, request: &[u8], answer: &mut [u8]) -> io::Result<()> {
    stream.write_all(request)?;
    stream.read_exact(answer)
}

impl Connection {
    fn flush(&mut self) -> io::Result<()> {
        let mut written = 0;
        while written < self.unsent.len() {
            match self.stream.write(&self.unsent[written..]) {
                Ok(count) => written += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        self.unsent.drain(..written);
        Ok(())
    }

    /// Reads until there is nothing more; returns how many answers came.
    fn receive(&mut self, answer: usize, latency: &mut Histogram<u64>, buffer: &mut [u8]) -> io::Result<usize> {
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
        let answers = self.received / answer;
        self.received %= answer;
        let now = Instant::now();
        let mut left = answers;
        while let Some((due, count)) = self.sent.front_mut().filter(|_| left > 0) {
            let these = left.min(*count);
            latency.saturating_record_n((now - *due).as_nanos() as u64, these as u64);
            left -= these;
            *count -= these;
            if *count == 0 {
                self.sent.pop_front();
            }
        }
        Ok(answers)
    }
}
