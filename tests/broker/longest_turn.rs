//! Nothing that takes long runs in the loop, or ends there: every function that may run there is called with the largest
//! parameters that it runs there with, every kind of handle is freed at its largest, and what the loop's thread does for it is
//! counted in instructions, by valgrind's callgrind. Skipped where that is not installed.

use crate::support::*;
use rmpv::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

/// Instructions that a call may take of the loop, in a build without optimisation; an optimised one takes a sixth or less. The
/// longest are reports, of which a connection's turn has time for one; copying a megabyte in takes about as much.
const MOST: u64 = 12_000_000;
/// Functions that run in the loop and whose turn is not looked at, and why.
const LEFT_OUT: [&str; 2] = [
    // They end what is measured.
    "system.shutdown",
    "system.reload",
];

struct Measured {
    broker: Broker,
    client: Client,
}

fn has_callgrind() -> bool {
    let found = |program: &str| Command::new(program).arg("--version").stdout(Stdio::null()).status().is_ok();
    let found = found("valgrind") && found("callgrind_control");
    if !found {
        eprintln!("skipped: valgrind is not installed");
    }
    found
}

impl Measured {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::new("valgrind");
        let prefix = dir.path().join("vgdb");
        command.args(["--tool=callgrind", "--separate-threads=yes", "--vgdb=yes", "--quiet"]);
        command.arg(format!("--vgdb-prefix={}", prefix.display()));
        command.arg(format!("--callgrind-out-file={}", dir.path().join("counted").display()));
        command.arg(env!("CARGO_BIN_EXE_cpan-bridge")).args(["serve", "--ready-fd=1", "--max-frame=64MiB"]);
        command.arg("--socket").arg(dir.path().join("broker.sock")).arg("--log-file").arg(dir.path().join("log"));
        for name in ["XDG_RUNTIME_DIR", "LISTEN_FDS", "LISTEN_PID"] {
            command.env_remove(name);
        }
        let broker = Broker::of(command, dir);
        let client = broker.connect();
        client.stream.set_read_timeout(Some(10 * PATIENCE)).unwrap();
        Self { broker, client }
    }

    fn control(&self, command: &str) {
        let mut control = Command::new("callgrind_control");
        control.arg(format!("--vgdb-prefix={}", self.broker.dir().join("vgdb").display())).arg(command);
        let output = control.output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }

    /// Instructions of the loop's thread from sending a request until after its answer.
    fn count(&mut self, method: &str, params: Value) -> u64 {
        self.control("--zero");
        let answer = self.client.call(method, params);
        // What was put off until after the answer counts as well: the loop has to come by once more.
        self.client.call("test.echo", none()).unwrap();
        self.control(&format!("--dump={method}"));
        assert!(answer.is_ok() || method == "system.unlock", "{method}: {answer:?}");
        newest_total(self.broker.dir())
    }
}

/// The total in the newest dump of the first thread, which is the loop.
fn newest_total(dir: &Path) -> u64 {
    let number = |name: &str| name.strip_prefix("counted.")?.strip_suffix("-01")?.parse::<u32>().ok();
    let names = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let newest = names.filter_map(|name| number(&name).map(|number| (number, name))).max().expect("a dump").1;
    let dump = std::fs::read_to_string(dir.join(newest)).unwrap();
    let total = dump.lines().find_map(|line| line.strip_prefix("totals: ")).expect("a total");
    total.trim().parse().unwrap()
}

fn bytes(length: usize) -> Value {
    Value::Binary(vec![7; length])
}

/// The largest parameters that each function runs inline with.
fn largest(measured: &mut Measured) -> BTreeMap<&'static str, Value> {
    let mut made = |method: &str, params: Value, id: &str| measured.client.call(method, params).unwrap()[id].clone();
    let key = || ("key", "k".repeat(56).into());
    let chain = |extra: Vec<(&str, Value)>| {
        let mut pairs = vec![
            ("cipher", "DES_EDE3".into()),
            ("key", bytes(24)),
            ("chain_mode", "pcbc".into()),
            ("iv", bytes(8)),
            ("direction", "encrypt".into()),
        ];
        pairs.extend(extra);
        Value::Map(pairs.into_iter().map(|(name, value)| (name.into(), value)).collect())
    };
    let cipher = || map([key(), ("cipher", "3DES".into())]);
    // Tags as close as they come, and all that can be known of each.
    let page = "<a b=&#65;>&amp;".repeat(255);
    let all = "[tokens,tokenpos,tag,attr,@attr,attrseq,text,dtext,offset_end,line,column]";
    let rules = map([("options", 0.into()), ("reports", Value::Array(vec![all.into(); 8]))]);
    let encrypting = made("crypto.new", cipher(), "cipher_id");
    let freed = made("crypto.new", cipher(), "cipher_id");
    let chain_id = made("crypto.chain_new", chain(vec![]), "chain_id");
    let freed_chain = made("crypto.chain_new", chain(vec![]), "chain_id");
    let sealed =
        made("crypto.encrypt", map([("cipher_id", encrypting.clone()), ("plaintext", bytes(1900))]), "encrypted");
    let labelled = made("crypto.new", cipher(), "cipher_id").as_str().unwrap()[..8].to_owned();
    let body = made("http_helper.body_new", none(), "body_id");
    let large_body = made("http_helper.body_new", none(), "body_id");
    for _ in 0..4 {
        made("http_helper.body_add", map([("body_id", large_body.clone()), ("content", bytes(40 << 20))]), "length");
    }
    let session = made("http_helper.session_new", none(), "session_id");
    let freed_session =
        made("http_helper.session_new", map([("no_proxy", "host.example,".repeat(200_000).into())]), "session_id");
    BTreeMap::from([
        ("crypto.chain_free", map([("chain_id", freed_chain)])),
        ("crypto.chain_new", chain(vec![])),
        ("crypto.chain_next", map([("chain_id", chain_id), ("data", bytes(4000))])),
        ("crypto.chain_once", chain(vec![("data", bytes(3904))])),
        ("crypto.cleanup_cipher", map([("cipher_id", freed)])),
        ("crypto.decrypt", map([("cipher_id", encrypting.clone()), ("hex_ciphertext", sealed)])),
        ("crypto.encrypt", map([("cipher_id", encrypting), ("plaintext", bytes(4000))])),
        ("crypto.generate_key", map([("algorithm", "ed25519".into())])),
        ("crypto.hash", map([("data", bytes(4000)), ("algorithm", "SHA224".into())])),
        ("crypto.new", map([key(), ("cipher", "Blowfish".into())])),
        ("crypto.random_bytes", map([("length", 4096.into())])),
        ("crypto.sign", map([("key", bytes(32)), ("data", bytes(4000)), ("algorithm", "Ed25519".into())])),
        (
            "crypto.verify",
            map([
                ("key", bytes(32)),
                ("data", bytes(4000)),
                ("signature", "00".repeat(64).into()),
                ("algorithm", "Ed25519".into()),
            ]),
        ),
        (
            "html.tokens",
            map([("text", page.into()), ("ending", "document".into()), ("state", "".into()), ("rules", rules)]),
        ),
        ("http_helper.body_add", map([("body_id", body), ("content", bytes(255 << 10))])),
        ("http_helper.body_free", map([("body_id", large_body)])),
        ("http_helper.body_new", none()),
        ("http_helper.close", map([("stream_id", "0".repeat(32).into())])),
        ("http_helper.ping", none()),
        ("http_helper.session_cookies", map([("session_id", session)])),
        ("http_helper.session_free", map([("session_id", freed_session)])),
        ("system.calls", none()),
        ("system.cleanup", none()),
        // With the number of a connection that is there by then.
        ("system.close_connection", none()),
        ("system.connections", none()),
        ("system.free_handle", map([("label", labelled.into())])),
        ("system.handles", none()),
        ("system.health", none()),
        ("system.history", none()),
        ("system.info", none()),
        ("system.lock", map([("passphrase", "p".into())])),
        ("system.metrics", none()),
        ("system.openmetrics", none()),
        ("system.performance", none()),
        ("system.stats", none()),
        ("system.unlock", map([("passphrase", "p".into())])),
        ("test.check_module", map([("module", "crypto".into())])),
        ("test.echo", map([("data", bytes(1 << 20))])),
        ("test.health", none()),
        ("test.ping", map([("data", bytes(1 << 20))])),
        ("test.stats", none()),
    ])
}

#[test]
fn no_call_takes_the_loop_for_long() {
    if !has_callgrind() {
        return;
    }
    let mut measured = Measured::start();
    let mut calls = largest(&mut measured);
    // The reports are about many: more connections and handles than one lists.
    let _others: Vec<Client> = (0..500).map(|_| measured.broker.connect()).collect();
    // Whether all of them were accepted by then is the kernel's choice.
    eventually("all connections", || {
        measured.client.call("system.connections", none()).unwrap()["total_connections"].as_u64() > Some(500)
    });
    // The latest of them, as the numbers are: somebody else may have looked in.
    let own = std::process::id();
    let latest = measured.client.call("system.connections", none()).unwrap()["connections"].clone();
    let latest =
        latest.as_array().unwrap().iter().find(|one| one["peer_pid"] == own.into()).unwrap()["connection_id"].clone();
    calls.insert("system.close_connection", map([("connection_id", latest)]));
    for _ in 0..1000 {
        measured.client.call("crypto.chain_new", calls["crypto.chain_new"].clone()).unwrap();
    }
    let modules = measured.client.call("system.modules", none()).unwrap();
    let mut inline: Vec<String> = Vec::new();
    for module in modules.as_array().unwrap() {
        for function in module["functions"].as_array().unwrap() {
            let name = format!("{}.{}", module["name"].as_str().unwrap(), function["name"].as_str().unwrap());
            if function["runs"].as_str().unwrap().starts_with("inline") && !LEFT_OUT.contains(&name.as_str()) {
                inline.push(name);
            }
        }
    }
    // Locking is last but one: nothing that uses a key is measured between the two.
    inline.sort_by_key(|name| (name == "system.unlock", name == "system.lock", name.clone()));
    let mut counts: Vec<(u64, String)> = Vec::new();
    for name in inline {
        let params =
            calls.remove(name.as_str()).unwrap_or_else(|| panic!("{name} runs in the loop: measure it here as well"));
        counts.push((measured.count(&name, params), name));
    }
    assert!(calls.is_empty(), "these are none that run in the loop: {:?}", calls.keys());
    counts.sort();
    let told: Vec<String> = counts.iter().rev().map(|(count, name)| format!("{count:>12} {name}")).collect();
    println!("{}", told.join("\n"));
    let (most, name) = counts.last().unwrap();
    assert!(*most <= MOST, "{name} takes the loop {most} instructions, and {MOST} are the most:\n{}", told.join("\n"));
}
