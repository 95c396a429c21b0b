//! Figures for monitoring: what Prometheus, its alert rules and Grafana make of them.

use crate::support::*;
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn packaging(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/prometheus").join(name)
}

#[test]
fn metrics_are_what_prometheus_reads() {
    let broker = Broker::start(&[]);
    broker.call("test.echo", none()).unwrap();
    broker.call("test.sleep", map([("seconds", 0.into())])).unwrap();
    let text = printed(&broker, &["metrics"]);
    assert!(text.ends_with("# EOF\n") && text.contains("method=\"test.echo\"} 1\n"), "{text}");
    assert!(text.contains("# TYPE cpan_bridge_requests counter\n"), "{text}");
    let text = printed(&broker, &["metrics", "--format", "prometheus"]);
    assert!(text.contains("# TYPE cpan_bridge_requests_total counter\n") && !text.contains("EOF"), "{text}");
    let Ok(mut promtool) =
        Command::new("promtool").args(["check", "metrics"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn()
    else {
        eprintln!("skipped: there is no promtool here");
        return;
    };
    std::io::Write::write_all(&mut promtool.stdin.take().unwrap(), text.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

#[test]
fn two_brokers_of_a_host_write_figures_that_differ() {
    let dir = tempfile::tempdir().unwrap();
    let flags = ["one", "two"].map(|name| format!("--metrics-file={}", dir.path().join(name).display()));
    let brokers = flags.map(|flag| Broker::start(&[&flag, "--metrics-interval=50ms"]));
    let page = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap_or_default();
    eventually("both files", || !page("one").is_empty() && !page("two").is_empty());
    let series = |page: String| -> BTreeSet<String> {
        let samples = page.lines().filter(|line| !line.starts_with('#'));
        samples.map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect()
    };
    let (one, two) = (series(page("one")), series(page("two")));
    assert!(one.len() > 30 && one.is_disjoint(&two), "{:?}", one.intersection(&two).collect::<Vec<_>>());
    // Who ends takes the figures along, who is killed leaves them: there is an alert for old ones.
    let [mut one, mut two] = brokers;
    assert!(printed(&one, &["stop"]).starts_with("Stopped"));
    assert!(one.wait().success() && !dir.path().join("one").exists());
    two.signal(nix::sys::signal::Signal::SIGKILL);
    two.wait();
    assert!(dir.path().join("two").exists());
}

#[test]
fn who_may_not_connect_is_told_from_who_has_too_many_connections() {
    if !can_act_as_others() {
        return;
    }
    let rejected = |broker: &Broker, reason: &str| -> f64 {
        let text = printed(broker, &["metrics"]);
        let mut lines = text.lines().filter(|line| line.starts_with("cpan_bridge_connections_rejected_total{"));
        let line = lines.find(|line| line.contains(&format!("reason=\"{reason}\"")));
        line.unwrap_or_else(|| panic!("{text}")).rsplit_once(' ').unwrap().1.parse().unwrap()
    };
    let stranger = open_broker(&[]);
    assert!(Client::connect_as(STRANGER, &stranger.socket()).call("test.ping", none()).is_err());
    assert_eq!((rejected(&stranger, "denied"), rejected(&stranger, "quota")), (1.0, 0.0));
    let user = format!("--allow-user={STRANGER}");
    let crowd = open_broker(&[&user, "--user-connections=1"]);
    let mut held = Client::connect_as(STRANGER, &crowd.socket());
    assert!(held.call("test.ping", none()).is_ok());
    assert!(Client::connect_as(STRANGER, &crowd.socket()).call("test.ping", none()).is_err());
    assert_eq!((rejected(&crowd, "denied"), rejected(&crowd, "quota")), (0.0, 1.0));
}

/// The expressions of the dashboard, with what Grafana puts in for its variables.
fn dashboard() -> Vec<String> {
    let text = std::fs::read_to_string(packaging("grafana-dashboard.json")).unwrap();
    let page = json(&text);
    let panels = page["panels"].as_array().unwrap();
    assert!(panels.iter().all(|panel| !panel["title"].as_str().unwrap().is_empty()));
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    let annotations = page["annotations"]["list"].as_array().unwrap().iter();
    targets
        .chain(annotations)
        .map(|one| {
            one["expr"]
                .as_str()
                .unwrap()
                .replace("$__rate_interval", "5m")
                .replace("$instance", ".*")
                .replace("$socket", ".*")
        })
        .collect()
}

/// The names of our figures in a text.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|word| word.starts_with("cpan_bridge_")).map(str::to_owned).collect()
}

#[test]
fn dashboard_and_alerts_ask_for_figures_that_there_are() {
    let broker = Broker::start(&[]);
    broker.call("crypto.new", map([("key", "a key".into())])).unwrap();
    let there = names(&printed(&broker, &["metrics", "--format", "prometheus"]));
    let alerts = std::fs::read_to_string(packaging("alerts.yml")).unwrap();
    for text in dashboard().into_iter().chain([alerts]) {
        let wanted = names(&text);
        let missing: Vec<_> = wanted.difference(&there).collect();
        assert!(missing.is_empty(), "{missing:?} in {text}");
    }
    assert!(dashboard().len() >= 15 && !names(&dashboard().concat()).is_empty());
    let own = printed(&broker, &["metrics", "--format", "prometheus"]);
    assert!(!own.contains("\nprocess_"), "node_exporter has those itself");
}

#[test]
fn dashboard_and_alerts_are_understood_by_prometheus() {
    if Command::new("promtool").arg("--version").output().is_err() {
        eprintln!("skipped: there is no promtool here");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    // It checks the expressions of rules, so those of the dashboard are made into some.
    let rule =
        |(number, expr): (usize, String)| serde_json::json!({ "record": format!("panel:{number}"), "expr": expr });
    let rules: Vec<_> = dashboard().into_iter().enumerate().map(rule).collect();
    let file = dir.path().join("dashboard.json");
    let groups = serde_json::json!({ "groups": [{ "name": "dashboard", "rules": rules }] });
    std::fs::write(&file, groups.to_string()).unwrap();
    for (arguments, file) in [
        (["check", "rules"], file),
        (["check", "rules"], packaging("alerts.yml")),
        (["test", "rules"], packaging("alerts-test.yml")),
    ] {
        let output = Command::new("promtool").args(arguments).arg(file).output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr)
        );
    }
}

fn http(stream: &mut (impl Read + Write), request: &str) -> (String, String) {
    stream.write_all(request.as_bytes()).unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    let (head, body) = said.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{said}"));
    (head.to_owned(), body.to_owned())
}

#[test]
fn figures_are_served_over_a_socket_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("metrics.sock");
    let flag = format!("--metrics-listen={}", path.display());
    let mut broker = Broker::start_in(dir, &[&flag]);
    broker.call("test.ping", none()).unwrap();
    let get = |request: &str| http(&mut UnixStream::connect(&path).unwrap(), request);
    let (head, body) = get("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4"), "{head}");
    assert!(body.contains(",method=\"test.ping\"} 1\n"), "{body}");
    assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{head}");
    let (_, body) = get("GET / HTTP/1.1\r\nAccept: application/openmetrics-text; version=1.0.0\r\n\r\n");
    assert!(body.ends_with("# EOF\n"), "{body}");
    assert!(get("HEAD /metrics HTTP/1.1\r\n\r\n").1.is_empty());
    assert!(get("GET /other HTTP/1.1\r\n\r\n").0.starts_with("HTTP/1.1 404 "));
    // Who says nothing, or too much, keeps nobody waiting for ever, and is no connection of the broker's.
    let silent: Vec<UnixStream> = (0..4).map(|_| UnixStream::connect(&path).unwrap()).collect();
    assert!(get("GET /metrics HTTP/1.1\r\n\r\n").0.starts_with("HTTP/1.1 200 "));
    drop(silent);
    let mut much = UnixStream::connect(&path).unwrap();
    let _ = much.write_all(&vec![b'x'; 1 << 20]);
    let _ = much.read_to_end(&mut Vec::new());
    assert_eq!(broker.call("system.connections", none()).unwrap()["active_connections"], 1.into());
    // A reload serves them again.
    broker.call("system.reload", none()).unwrap();
    assert!(get("GET /metrics HTTP/1.1\r\n\r\n").1.contains("\"} 1\n# HELP cpan_bridge_resident_memory_bytes"));
    assert!(printed(&broker, &["stop"]).starts_with("Stopped"));
    assert!(broker.wait().success() && !path.exists());
}

#[test]
fn figures_are_served_on_a_loopback_address_or_the_broker_does_not_start() {
    // A port that is free now; should another take it in between, the broker says so and the next try has another.
    let (broker, address) = (0..5)
        .find_map(|_| {
            let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
            let flag = format!("--metrics-listen={address}");
            std::panic::catch_unwind(|| Broker::start(&[&flag])).ok().map(|broker| (broker, address))
        })
        .unwrap();
    let (head, body) = http(&mut TcpStream::connect(address).unwrap(), "GET /metrics HTTP/1.1\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200 ") && body.contains("cpan_bridge_health"), "{head}");
    let dir = tempfile::tempdir().unwrap();
    let mut command = program();
    command.arg("serve").arg("--socket").arg(dir.path().join("broker.sock")).arg(format!("--metrics-listen={address}"));
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && said.contains(&format!("metrics_listen {address}: ")), "{said}");
    drop(broker);
}

#[test]
fn clients_that_say_nothing_keep_nobody_waiting() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("metrics.sock");
    let broker = Broker::start_in(dir, &[&format!("--metrics-listen={}", path.display())]);
    let connect = || UnixStream::connect(&path).unwrap();
    let silent: Vec<UnixStream> = (0..200)
        .map(|number| {
            let mut stream = connect();
            if number % 2 == 0 {
                stream.write_all(b"GET /metr").unwrap();
            }
            stream
        })
        .collect();
    for _ in 0..10 {
        let (head, body) = http(&mut connect(), "GET /metrics HTTP/1.1\r\n\r\n");
        assert!(head.starts_with("HTTP/1.1 200 OK") && body.contains("cpan_bridge_health"), "{head}");
    }
    // They are let go, those that took a page and read nothing of it as well.
    for stream in silent {
        let mut stream = stream;
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut rest = Vec::new();
        // An end or a reset, whichever: what counts is that it comes.
        match stream.read_to_end(&mut rest) {
            Ok(_) => assert!(rest.is_empty()),
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}"),
        }
    }
    assert!(broker.call("test.ping", none()).is_ok());
}
