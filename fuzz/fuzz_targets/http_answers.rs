//! Whatever a server says: an answer or a failure, and the next request is served.
#![no_main]

use cpan_bridge::modules::{Offer, registry};
use kit::{Call, Caller, Registry};
use kit::protocol::Buffer;
use libfuzzer_sys::fuzz_target;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, OnceLock};

/// A server on this machine that answers the next request with the bytes it is given, and closes.
fn server() -> &'static (u16, Mutex<Sender<Vec<u8>>>) {
    static SERVER: OnceLock<(u16, Mutex<Sender<Vec<u8>>>)> = OnceLock::new();
    SERVER.get_or_init(|| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let (sender, answers) = channel::<Vec<u8>>();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(answer) = answers.recv() else { return };
                let mut client = client;
                let mut head = [0; 4096];
                let _ = client.read(&mut head);
                let _ = client.write_all(&answer);
            }
        });
        (port, Mutex::new(sender))
    })
}

fuzz_target!(|input: (bool, &[u8])| {
    static REGISTRY: OnceLock<Registry> = OnceLock::new();
    let registry = REGISTRY.get_or_init(|| registry(Offer::default()));
    let (whole, answer) = input;
    let (port, sender) = server();
    // Most of what is tried should get beyond the status line.
    let bytes = if whole { answer.to_vec() } else { [b"HTTP/1.1 200 OK\r\n", answer].concat() };
    sender.lock().expect("no other thread").send(bytes).expect("the server runs");
    // {"url": ..., "timeout": 2, "max_redirect": 0}
    let url = format!("http://127.0.0.1:{port}/");
    let mut params = vec![0x83, 0xa3];
    params.extend_from_slice(b"url");
    params.push(0xa0 | u8::try_from(url.len()).expect("a short URL"));
    params.extend_from_slice(url.as_bytes());
    params.extend_from_slice(b"\xa7timeout\x02\xacmax_redirect\x00");
    let function = registry.function(registry.find("http_helper.get").expect("the function"));
    let mut out = Buffer::new();
    let _ = function.run(&mut Call::detached(Caller { uid: 1, pid: 1, ..Caller::default() }, &mut out), &params);
});
