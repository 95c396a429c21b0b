//! The ceiling: a bare mio echo server, which moves bytes and understands none of them. What a broker can come to at most on the
//! same machine, with the same crate, and the same two system calls a batch.
//!
//! ```text
//! cargo bench --bench echo -- PATH
//! ```
//! Serves until it is killed. Without a path (as `cargo test --benches` runs it) it does nothing.

use mio::net::{UnixListener, UnixStream};
use mio::{Events, Interest, Poll, Token};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use slab::Slab;
use std::error::Error;
use std::io::{ErrorKind, Read, Write};

const LISTENER: Token = Token(usize::MAX - 1);

struct Connection {
    stream: UnixStream,
    unsent: Vec<u8>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let Some(path) = std::env::args().skip(1).find(|argument| !argument.starts_with("--")) else { return Ok(()) };
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    let mut poll = Poll::new()?;
    let mut listener = UnixListener::bind(path)?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut connections: Slab<Connection> = Slab::new();
    let mut events = Events::with_capacity(1024);
    let mut buffer = vec![0; 256 * 1024];
    println!("ready");
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            result => result?,
        }
        for event in &events {
            if event.token() == LISTENER {
                accept(&poll, &listener, &mut connections)?;
            } else if let Some(connection) = connections.get_mut(event.token().0)
                && !serve(connection, event, &poll, &mut buffer)
            {
                connections.remove(event.token().0);
            }
        }
    }
}

fn accept(poll: &Poll, listener: &UnixListener, connections: &mut Slab<Connection>) -> Result<(), Box<dyn Error>> {
    loop {
        match listener.accept() {
            Ok((mut stream, _)) => {
                let entry = connections.vacant_entry();
                poll.registry().register(&mut stream, Token(entry.key()), Interest::READABLE)?;
                entry.insert(Connection { stream, unsent: Vec::new() });
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Sends back what came; false when the connection has ended.
fn serve(connection: &mut Connection, event: &mio::event::Event, poll: &Poll, buffer: &mut [u8]) -> bool {
    if !connection.unsent.is_empty() && !send(connection, event, poll) {
        return false;
    }
    while connection.unsent.is_empty() {
        match connection.stream.read(buffer) {
            Ok(0) => return false,
            Ok(count) => {
                match connection.stream.write(&buffer[..count]) {
                    Ok(written) if written == count => {}
                    Ok(written) => connection.unsent.extend_from_slice(&buffer[written..count]),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        connection.unsent.extend_from_slice(&buffer[..count]);
                    }
                    Err(_) => return false,
                }
                if !connection.unsent.is_empty() {
                    return wait_for(connection, event, poll, Interest::READABLE | Interest::WRITABLE);
                }
                // A short read means drained.
                if count < buffer.len() {
                    return true;
                }
            }
            Err(error) => return error.kind() == ErrorKind::WouldBlock,
        }
    }
    true
}

fn send(connection: &mut Connection, event: &mio::event::Event, poll: &Poll) -> bool {
    while !connection.unsent.is_empty() {
        match connection.stream.write(&connection.unsent) {
            Ok(written) => drop(connection.unsent.drain(..written)),
            Err(error) => return error.kind() == ErrorKind::WouldBlock,
        }
    }
    wait_for(connection, event, poll, Interest::READABLE)
}

fn wait_for(connection: &mut Connection, event: &mio::event::Event, poll: &Poll, interest: Interest) -> bool {
    poll.registry().reregister(&mut connection.stream, event.token(), interest).is_ok()
}
