//! Once warm, a call of a small inline function allocates nothing on its way through the broker: from the bytes that arrive to
//! those that leave.
//!
//! A program of its own, because it counts what its allocator is asked for.

use cpan_bridge::broker::{Broker, Orders, Origin, block_signals};
use cpan_bridge::config::{Config, Values};
use cpan_bridge::logging::Log;
use cpan_bridge::modules::{Offer, registry};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering};

/// The system's allocator, which counts what the broker's thread asks for.
struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static COUNTED: Cell<bool> = const { Cell::new(false) };
}

fn count() {
    // A thread that is ending has none, and is not counted.
    if COUNTED.try_with(Cell::get).unwrap_or(false) {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
    }
}

// SAFETY: every request is handed to the system's allocator as it came, and its answer back; counting touches an atomic and a
// thread-local that needs neither allocation nor destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are those that `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as for `alloc`; the memory came from `System`.
        unsafe { System.realloc(memory, layout, size) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the memory came from `System`.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Sends requests in batches and takes their answers, which are all of this length.
fn call(stream: &mut UnixStream, request: &[u8], answer: usize, batch: usize, times: usize) {
    let requests = request.repeat(batch);
    let mut answers = vec![0; answer * batch];
    for _ in 0..times {
        stream.write_all(&requests).unwrap();
        stream.read_exact(&mut answers).unwrap();
    }
}

#[test]
fn a_small_call_allocates_nothing_once_warm() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("broker.sock");
    let mut values = Values::defaults();
    values.set_flag("socket", socket.to_str().unwrap().to_owned());
    values.set_flag("log_file", dir.path().join("log").to_str().unwrap().to_owned());
    // No timer is to come in between.
    for timer in ["health_interval", "socket_check", "stale_timeout"] {
        values.set_flag(timer, "off".to_owned());
    }
    block_signals().unwrap();
    let config = Config::new(values).unwrap();
    let log = Log::new(&config).unwrap();
    let broker =
        Broker::new(config, registry(Offer::default()), log, Origin::of_this_process(Orders::default()).unwrap())
            .unwrap();
    let thread = std::thread::spawn(move || {
        COUNTED.set(true);
        broker.run().map(|_| ())
    });
    let mut stream = UnixStream::connect(&socket).unwrap();
    let framed: (&[u8], usize) = (b"\x00\x00\x00\x0e\x94\x00\x01\xa9test.echo\x80", 9);
    let bare: (&[u8], usize) = (&framed.0[4..], 5);
    for (request, answer, batch) in [(framed.0, framed.1, 1), (framed.0, framed.1, 64)] {
        call(&mut stream, request, answer, batch, 100);
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        call(&mut stream, request, answer, batch, 500);
        let count = ALLOCATIONS.load(Ordering::Relaxed) - before;
        assert_eq!(count, 0, "{count} allocations in 500 batches of {batch}");
    }
    let mut other = UnixStream::connect(&socket).unwrap();
    call(&mut other, bare.0, bare.1, 8, 100);
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    call(&mut other, bare.0, bare.1, 8, 500);
    assert_eq!(ALLOCATIONS.load(Ordering::Relaxed) - before, 0, "in the bare framing");
    // Many at once: each may need a buffer of its own, once.
    let mut many: Vec<UnixStream> = (0..8).map(|_| UnixStream::connect(&socket).unwrap()).collect();
    let mut call_all = |times| {
        for _ in 0..times {
            many.iter_mut().for_each(|stream| stream.write_all(&framed.0.repeat(8)).unwrap());
            many.iter_mut().for_each(|stream| stream.read_exact(&mut [0; 9 * 8]).unwrap());
        }
    };
    call_all(100);
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    call_all(500);
    let count = ALLOCATIONS.load(Ordering::Relaxed) - before;
    assert!(count <= 8, "{count} allocations in 500 rounds of 8 connections");
    // The counter counts.
    let text = b"\x94\x00\x01\xabsystem.info\x80";
    other.write_all(text).unwrap();
    other.read_exact(&mut [0; 5]).unwrap();
    assert!(ALLOCATIONS.load(Ordering::Relaxed) > before);
    other.write_all(b"\x94\x00\x01\xafsystem.shutdown\x80").unwrap();
    drop(stream);
    thread.join().unwrap().unwrap();
}
