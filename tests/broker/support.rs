//! A broker of a test's own, and a client that speaks the protocol byte by byte.

use rmpv::Value;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long a test waits for what has to come. Only a broken broker takes as long.
pub const PATIENCE: Duration = Duration::from_secs(40);

/// Copies a program that is to be run. By another process: a file that is open for writing in this one is so in whatever it starts at the
/// moment, and can't be run as long.
pub fn copy_program(from: &std::path::Path, to: &std::path::Path) {
    assert!(Command::new("cp").arg(from).arg(to).status().unwrap().success());
}

/// The program, without anything of the environment that would change its settings.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cpan-bridge"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CPAN_BRIDGE_") {
            command.env_remove(name);
        }
    }
    command.env_remove("XDG_RUNTIME_DIR").env_remove("LISTEN_FDS").env_remove("LISTEN_PID");
    command
}

/// A running broker; ended with the test.
pub struct Broker {
    child: Child,
    dir: TempDir,
}

impl Broker {
    /// Starts a broker with these flags besides its socket and log. Returns when it listens.
    pub fn start(flags: &[&str]) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), flags)
    }

    /// As [`Broker::start`], in a directory that the test has prepared.
    pub fn start_in(dir: TempDir, flags: &[&str]) -> Self {
        let mut command = program();
        command.arg("serve").arg("--socket").arg(dir.path().join("broker.sock"));
        command.arg("--log-file").arg(dir.path().join("log")).arg("--ready-fd=1").args(log_level(flags)).args(flags);
        Self::of(command, dir)
    }

    /// A broker of a command that tells on standard output when it is ready.
    pub fn of(mut command: Command, dir: TempDir) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
        if said != "ready\n" {
            let mut why = String::new();
            child.stderr.take().unwrap().read_to_string(&mut why).unwrap();
            panic!("the broker did not start: {why}");
        }
        Self { child, dir }
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("broker.sock")
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn connect(&self) -> Client {
        Client::connect(&self.socket())
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// Waits until the log holds a text.
    pub fn await_log(&self, text: &str) {
        let mut log = String::new();
        let begin = Instant::now();
        while !log.contains(text) {
            assert!(begin.elapsed() < PATIENCE, "waited in vain for {text:?} in the log:\n{log}");
            std::thread::sleep(Duration::from_millis(5));
            log = self.log();
        }
    }

    pub fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.pid()).unwrap());
        nix::sys::signal::kill(pid, signal).unwrap();
    }

    /// Has the process stand still until SIGCONT. What is sent to it meanwhile it finds all at once.
    pub fn stop(&self) {
        self.signal(nix::sys::signal::Signal::SIGSTOP);
        eventually("the stop", || {
            let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
            status.lines().any(|line| line.starts_with("State:") && line.contains('T'))
        });
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        eventually("the end of the broker", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    /// One call on a connection of its own.
    pub fn call(&self, method: &str, params: Value) -> Result<Value, Value> {
        self.connect().call(method, params)
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The flag for a log that says everything, unless another is among these.
pub fn log_level(flags: &[&str]) -> Option<&'static str> {
    (!flags.iter().any(|flag| flag.starts_with("--log-level"))).then_some("--log-level=debug")
}

/// A user who is not the one that runs the tests.
pub const STRANGER: u32 = 65_534;

/// Whether a test can be made here that acts as another user; says so where it can't.
pub fn can_act_as_others() -> bool {
    let root = nix::unistd::Uid::effective().is_root();
    if !root {
        eprintln!("skipped: acting as another user takes root");
    }
    root
}

/// A broker whose directory and socket let everybody reach it.
pub fn open_broker(flags: &[&str]) -> Broker {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    Broker::start_in(dir, &[&["--socket-mode=0666"], flags].concat())
}

/// Waits until something is so.
pub fn eventually(what: &str, mut check: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !check() {
        assert!(begin.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A map with text keys.
pub fn map<const N: usize>(pairs: [(&str, Value); N]) -> Value {
    Value::Map(pairs.into_iter().map(|(key, value)| (key.into(), value)).collect())
}

/// The text of bytes that are `bin` on the wire.
pub fn text_of(bytes: &Value) -> &str {
    let Value::Binary(bytes) = bytes else { panic!("{bytes} is not bin") };
    std::str::from_utf8(bytes).unwrap()
}

/// No parameters.
pub fn none() -> Value {
    Value::Map(Vec::new())
}

pub fn encode(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    rmpv::encode::write_value(&mut bytes, value).unwrap();
    bytes
}

pub fn frame(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
}

pub fn request(msgid: u32, method: &str, params: Value) -> Value {
    Value::Array(vec![0.into(), msgid.into(), method.into(), params])
}

pub fn request_with(msgid: u32, method: &str, params: Value, options: Value) -> Value {
    Value::Array(vec![0.into(), msgid.into(), method.into(), params, options])
}

/// A client in the framed form.
pub struct Client {
    pub stream: UnixStream,
    last: u32,
}

impl Client {
    pub fn connect(socket: &Path) -> Self {
        let stream = UnixStream::connect(socket).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self { stream, last: 0 }
    }

    /// A connection that another user made, as far as the kernel knows.
    pub fn connect_as(uid: libc::uid_t, socket: &Path) -> Self {
        let socket = socket.to_owned();
        let connect = move || {
            // SAFETY: the call takes numbers only. Made directly, and not by the C library, it is for this thread alone,
            // which ends with the connection.
            let changed = unsafe { libc::syscall(libc::SYS_setresuid, uid, uid, uid) };
            assert_eq!(changed, 0);
            Self::connect(&socket)
        };
        std::thread::spawn(connect).join().unwrap()
    }

    pub fn send(&mut self, message: &Value) {
        self.stream.write_all(&frame(&encode(message))).unwrap();
    }

    /// The next message; none at the end of the stream.
    pub fn receive(&mut self) -> Option<Value> {
        let mut header = [0; 4];
        match self.stream.read_exact(&mut header) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return None,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
            Err(error) => panic!("{error}"),
        }
        let mut body = vec![0; u32::from_be_bytes(header) as usize];
        self.stream.read_exact(&mut body).unwrap();
        let mut rest = &body[..];
        let value = rmpv::decode::read_value(&mut rest).unwrap();
        assert!(rest.is_empty(), "bytes behind the message");
        Some(value)
    }

    /// The answer to one call.
    pub fn answer(&mut self, msgid: u32) -> Result<Value, Value> {
        let message = self.receive().expect("an answer, not the end");
        let Value::Array(parts) = message else { panic!("{message}") };
        assert_eq!((&parts[0], &parts[1]), (&1.into(), &msgid.into()), "{parts:?}");
        if parts[2].is_nil() { Ok(parts[3].clone()) } else { Err(parts[2].clone()) }
    }

    pub fn call(&mut self, method: &str, params: Value) -> Result<Value, Value> {
        self.last += 1;
        self.send(&request(self.last, method, params));
        self.answer(self.last)
    }

    pub fn finish_sending(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // Closing alone is not yet the end: programs that other tests start in the same moment hold copies of every
        // descriptor until they are executed.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

/// The code of a failed call.
pub fn code(result: &Result<Value, Value>) -> &str {
    result.as_ref().expect_err("an error")["code"].as_str().unwrap()
}

/// The message of a failed call.
pub fn message(result: &Result<Value, Value>) -> &str {
    result.as_ref().expect_err("an error")["message"].as_str().unwrap()
}

/// Somebody who has nothing to do with what others do wrong, and must not notice it.
pub struct Innocent {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<u64>>,
}

impl Innocent {
    /// Calls all the time, on one connection and on new ones.
    pub fn beside(broker: &Broker) -> Self {
        let (stop, socket) = (Arc::new(AtomicBool::new(false)), broker.socket());
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut client = Client::connect(&socket);
            let mut served = 0;
            while !stopped.load(Ordering::Relaxed) || served < 10 {
                let params = map([("n", served.into())]);
                assert_eq!(client.call("test.echo", params.clone()), Ok(params.clone()));
                assert_eq!(Client::connect(&socket).call("test.echo", params.clone()), Ok(params));
                served += 1;
            }
            served
        });
        Self { stop, thread: Some(thread) }
    }

    /// How many rounds it was served; fails if one was not.
    pub fn served(mut self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().expect("the innocent client was harmed")
    }
}

/// A command of the program beside a broker.
pub fn command(broker: &Broker, arguments: &[&str]) -> Command {
    let mut command = program();
    command.args(arguments).env("CPAN_BRIDGE_SOCKET", broker.socket()).stdin(Stdio::null());
    command
}

/// What it comes to.
pub fn run(broker: &Broker, arguments: &[&str]) -> Output {
    command(broker, arguments).output().unwrap()
}

/// What it prints when it succeeds.
pub fn printed(broker: &Broker, arguments: &[&str]) -> String {
    let output = run(broker, arguments);
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Text as JSON.
pub fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}
