//! Connections that are open and do nothing: what they cost in memory.

use crate::drive::ask;
use crate::exchange::Contestant;
use crate::results::Results;
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use std::error::Error;
use std::os::unix::net::UnixStream;

/// Opens connections, makes one call on each, and tells how much memory the server has taken for them.
pub fn open(contestant: &Contestant, count: usize, results: &Results) -> Result<Vec<UnixStream>, Box<dyn Error>> {
    let exchange = contestant.kind.exchange(0);
    let mut answer = vec![0; exchange.answer];
    let mut open = || -> Result<UnixStream, Box<dyn Error>> {
        let mut stream = UnixStream::connect(&contestant.socket)?;
        ask(&mut stream, &exchange.request, &mut answer)?;
        Ok(stream)
    };
    let first = open()?;
    let server = getsockopt(&first, PeerCredentials)?.pid();
    let before = resident(server)?;
    let mut connections = vec![first];
    while connections.len() < count {
        connections.push(open()?);
    }
    let after = resident(server)?;
    let cell = format!("{count} idle");
    results.tell(&cell, &contestant.label, "resident MB", &[after as f64 / f64::from(1 << 20)]);
    results.tell(&cell, &contestant.label, "bytes each", &[(after - before) as f64 / count as f64]);
    Ok(connections)
}

/// Resident memory of a process, in bytes, by its own figures.
fn resident(pid: i32) -> Result<u64, Box<dyn Error>> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    let kilobytes: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kilobytes * 1024)
}
