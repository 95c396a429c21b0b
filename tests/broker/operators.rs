//! Three in the morning: what runs and waits, for whom, by which script; what is slow; who makes the errors; and what is wrong
//! before anything is started.

use crate::support::*;
use rmpv::Value;
use std::io::Write;
use std::process::{Child, Command, Stdio};

/// A Perl script of that name, which makes one call and stays.
fn script(broker: &Broker, name: &str, method: &str, params: &str) -> Child {
    let path = broker.dir().join(name);
    let lib = concat!(env!("CARGO_MANIFEST_DIR"), "/perl/lib");
    let text = format!(
        "use lib '{lib}'; use CPANBridge; my $b = CPANBridge->new(socket => '{}'); eval {{ $b->call('{method}', {{ {params} }}) }}; \
         sleep 60;",
        broker.socket().display()
    );
    std::fs::write(&path, text).unwrap();
    Command::new("perl").arg("-w").arg(&path).stdin(Stdio::null()).spawn().unwrap()
}

#[test]
fn what_runs_and_what_waits_is_shown_with_its_script() {
    let broker = Broker::start(&["--workers=1"]);
    let mut first = script(&broker, "nightly.pl", "test.sleep", "seconds => 60");
    let calls = || broker.call("system.calls", none()).unwrap();
    eventually("the call to run", || calls()["running"] == 1.into());
    let mut second = script(&broker, "monthly.pl", "test.sleep", "seconds => 60");
    eventually("the call to wait", || calls()["waiting"] == 1.into());
    let all = calls();
    let described: Vec<(&str, &str, u64)> = all["calls"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            let text = |name: &str| one[name].as_str().unwrap();
            (text("module_function"), text("status"), one["peer_pid"].as_u64().unwrap())
        })
        .collect();
    assert_eq!(described, [("test.sleep", "runs", first.id().into()), ("test.sleep", "waits", second.id().into())]);
    assert_eq!(all["workers"], 1.into());
    let listed = printed(&broker, &["calls"]);
    let nightly = listed.lines().find(|line| line.contains("nightly.pl")).unwrap_or_else(|| panic!("{listed}"));
    assert!(
        nightly.contains("test.sleep") && nightly.contains("runs") && nightly.contains(&first.id().to_string()),
        "{listed}"
    );
    assert!(listed.contains("monthly.pl") && listed.ends_with("1 run, 1 wait, 1 workers\n"), "{listed}");
    let status = printed(&broker, &["status"]);
    assert!(status.contains("1 of 1 workers at work, 1 calls wait") && status.contains("nightly.pl"), "{status}");
    let connections = printed(&broker, &["connections"]);
    assert!(connections.contains("nightly.pl") && connections.contains("monthly.pl"), "{connections}");
    for child in [&mut first, &mut second] {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    eventually("the workers to be free", || calls()["running"] == 0.into());
    assert_eq!(printed(&broker, &["calls"]), "no call runs or waits; all 1 workers are free\n");
}

#[test]
fn a_call_that_waits_for_its_handle_says_so() {
    let broker = Broker::start(&["--workers=4"]);
    let mut client = broker.connect();
    let id = client.call("http.session_new", none()).unwrap()["session_id"].clone();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    for msgid in 1..=2 {
        client.send(&request(msgid, "http.get", map([("session_id", id.clone()), ("url", url.as_str().into())])));
    }
    let status = || {
        let all = broker.call("system.calls", none()).unwrap()["calls"].clone();
        all.as_array().unwrap().iter().map(|one| one["status"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    eventually("both to be there", || status().len() == 2);
    let seen = status();
    // Requests of one session may run side by side or one after the other; what waits says for what.
    assert!(seen == ["runs", "runs"] || seen == ["runs", "waits for its handle"], "{seen:?}");
}

#[test]
fn guests_see_their_own_calls() {
    if !can_act_as_others() {
        return;
    }
    let broker = open_broker(&["--workers=2", &format!("--allow-user={STRANGER}")]);
    let mut client = broker.connect();
    client.send(&request(1, "test.sleep", map([("seconds", 60.into())])));
    eventually("the call to run", || broker.call("system.calls", none()).unwrap()["running"] == 1.into());
    let output = as_stranger(&broker, &["calls", "--json"]);
    assert_eq!((json(&output)["running"].as_u64(), json(&output)["calls"].as_array().unwrap().len()), (Some(0), 0));
}

/// What a command prints that another user runs.
fn as_stranger(broker: &Broker, arguments: &[&str]) -> String {
    use std::os::unix::process::CommandExt;
    let place = tempfile::tempdir().unwrap();
    std::fs::set_permissions(place.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let copy = place.path().join("cpan-bridge");
    copy_program(env!("CARGO_BIN_EXE_cpan-bridge").as_ref(), &copy);
    let mut command = Command::new(copy);
    command.args(arguments).arg("--socket").arg(broker.socket()).uid(STRANGER).gid(STRANGER).current_dir("/");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn an_error_names_the_script_that_made_it() {
    let broker = Broker::start(&[]);
    let mut child = script(&broker, "faulty.pl", "crypto.encrypt", "cipher_id => 'x', plaintext => 'y'");
    let last = || {
        let all = broker.call("system.performance", none()).unwrap()["recent_errors"].clone();
        all.as_array().and_then(|all| all.last().cloned()).unwrap_or(Value::Nil)
    };
    eventually("the script's name", || last()["script"] == "faulty.pl".into());
    assert_eq!(last()["peer_pid"], child.id().into());
    child.kill().unwrap();
    child.wait().unwrap();
    let status = printed(&broker, &["status"]);
    assert!(status.contains("crypto.encrypt not_found, by faulty.pl of "), "{status}");
    let page = printed(&broker, &["report", "--html", "-"]);
    assert!(page.contains("faulty.pl"), "the report says so too");
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    assert!(page.contains(&format!("CPAN Bridge on {}", host.trim())), "and names the host");
}

#[test]
fn every_function_that_was_called_is_told_of() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect();
    for method in [
        "test.ping",
        "test.echo",
        "test.health",
        "test.stats",
        "system.info",
        "system.health",
        "system.metrics",
        "system.connections",
        "system.handles",
        "system.stats",
        "system.modules",
        "system.history",
    ] {
        (0..3).for_each(|_| drop(client.call(method, none()).unwrap()));
    }
    client.call("test.sleep", map([("seconds", Value::F64(0.2))])).unwrap();
    let all = client.call("system.performance", none()).unwrap()["module_performance"]["top_modules"].clone();
    let all = all.as_array().unwrap();
    assert_eq!(all.len(), 13);
    let slowest =
        all.iter().max_by(|a, b| a["p99_time_ms"].as_f64().unwrap().total_cmp(&b["p99_time_ms"].as_f64().unwrap()));
    let slowest = slowest.unwrap();
    assert_eq!((slowest["module_function"].as_str(), slowest["requests"].as_u64()), (Some("test.sleep"), Some(1)));
    assert!(
        slowest["total_time_ms"].as_f64() >= Some(199.0) && slowest["max_time_ms"].as_f64() >= Some(199.0),
        "{slowest}"
    );
    assert!(printed(&broker, &["status"]).contains("slowest  test.sleep: p99 "));
}

#[test]
fn leaked_connections_are_one_line() {
    let broker = Broker::start(&[]);
    let crowd: Vec<Client> = (0..60).map(|_| broker.connect()).collect();
    eventually("all of them", || broker.call("test.stats", none()).unwrap()["active_connections"].as_u64() >= Some(61));
    let listed = printed(&broker, &["connections"]);
    let lines: Vec<&str> = listed.lines().collect();
    assert!(lines.len() == 3 && lines[1].contains(" 60 "), "{listed}");
    assert_eq!(printed(&broker, &["connections", "--each"]).lines().count(), 62);
    drop(crowd);
}

#[test]
fn rates_are_those_of_the_last_minute() {
    let broker = Broker::start(&[]);
    broker.call("test.ping", none()).unwrap();
    broker.call("test.ping", none()).unwrap();
    let resources = broker.call("system.metrics", none()).unwrap()["resource_status"].clone();
    assert_eq!(resources["requests_per_minute"], Value::F64(2.0), "two calls are two, not what they might have become");
}

#[test]
fn parameters_come_from_standard_input() {
    let broker = Broker::start(&[]);
    let ask = |arguments: &[&str], input: &[u8]| {
        let mut child = command(&broker, arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        json(&String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap())
    };
    assert_eq!(ask(&["call", "test.echo", "-"], br#"{"key": "secret"}"#), serde_json::json!({ "key": "secret" }));
    assert_eq!(ask(&["call", "test.echo", "key=@-", "a=1"], b"\xff")["key"]["base64"], "/w==");
    let output = run(&broker, &["call", "test.echo", "-"]);
    assert_eq!(output.status.code(), Some(2), "nothing comes: {output:?}");
}

#[test]
fn what_can_not_be_written_is_no_success() {
    let broker = Broker::start(&[]);
    for arguments in
        [&["metrics"][..], &["status"], &["describe"], &["completions", "bash"], &["report", "--html", "-"]]
    {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = command(&broker, arguments).stdout(full).stderr(Stdio::piped()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(1) && said.contains("No space left"), "{arguments:?}: {output:?}");
    }
}

#[test]
fn handles_tell_what_they_are_and_who_made_them() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect();
    client.call("crypto.new", map([("cipher", "AES-256-GCM".into()), ("key", Value::Binary(vec![1; 32]))])).unwrap();
    let listed = printed(&broker, &["handles"]);
    let own = std::process::id().to_string();
    assert!(listed.contains("AES-256-GCM") && listed.contains(&format!("({own})")), "{listed}");
    let output = run(&broker, &["handles", "free", "00000000"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(6) && said.contains("there is no handle of that label"), "{said}");
}

#[test]
fn locking_leaves_a_line() {
    let broker = Broker::start(&[]);
    let passphrase = |text: &str| map([("passphrase", text.into())]);
    broker.call("system.lock", passphrase("sesame")).unwrap();
    broker.await_log("Locked");
    broker.call("system.unlock", passphrase("simsala")).unwrap_err();
    broker.await_log("Not unlocked");
    eventually("the next try", || broker.call("system.unlock", passphrase("sesame")).is_ok());
    broker.await_log("Unlocked");
    assert!(!broker.log().contains("sesame") && !broker.log().contains("simsala"), "and not what was given");
}

#[test]
fn settings_that_serve_refuses_are_not_sound() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("settings.toml");
    let socket = dir.path().join("broker.sock");
    let here = |path: &str| dir.path().join(path).display().to_string();
    let check = |command: &str, flags: &[String]| {
        let mut program = program();
        program.arg(command).arg("--config").arg(&file).arg("--socket").arg(&socket).args(flags);
        let output = program.output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    std::fs::write(&file, "").unwrap();
    assert_eq!(check("check-config", &[]).0, Some(0));
    let long = here(&"x".repeat(120));
    std::fs::write(here("a file"), "").unwrap();
    for (flags, words) in [
        (vec!["--allow-user=nosuchuser".to_owned()], "nosuchuser"),
        (vec!["--allow-group=nosuchgroup".to_owned()], "nosuchgroup"),
        (vec!["--socket-group=nosuchgroup".to_owned()], "nosuchgroup"),
        (vec![format!("--log-file={}", here("none/log"))], "none"),
        (vec![format!("--log-file={}", dir.path().display())], "directory"),
    ] {
        let (status, said) = check("check-config", &flags);
        assert!(status == Some(2) && said.contains(words), "{flags:?}: {said}");
        let (status, said) = check("serve", &flags);
        assert!(status != Some(0) && status.is_some(), "`serve` refuses it as well: {said}");
    }
    for place in [long, here("a file")] {
        for command in ["check-config", "serve"] {
            let output = program().arg(command).arg("--socket").arg(&place).output().unwrap();
            assert!(!output.status.success(), "{command} {place}: {output:?}");
        }
    }
    for (content, words) in [
        ("\nworkers = 1\nwokers = 2\n", "line 3: unknown setting `wokers`; did you mean `workers`?"),
        (
            "workers = 1\n[server]\nsocket = '/x'\n",
            "line 2: `server` is a table; settings stand in the file by themselves",
        ),
        ("# here\nworkers = 'many'\n", "line 2"),
    ] {
        std::fs::write(&file, content).unwrap();
        let (status, said) = check("check-config", &[]);
        assert!(status == Some(2) && said.contains(words), "{said}");
    }
}

#[test]
fn what_would_not_work_is_told_before_a_start() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("broker.sock");
    let check = |flags: &[&str]| {
        let mut program = program();
        program.arg("check-config").arg("--socket").arg(&socket).args(flags).env("CPAN_BRIDGE_WORKRS", "3");
        let output = program.output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap(), String::from_utf8(output.stdout).unwrap())
    };
    let (status, said, _) = check(&[]);
    assert!(status == Some(0) && said.contains("did you mean CPAN_BRIDGE_WORKERS?"), "{said}");
    let nowhere = dir.path().join("none/metrics").display().to_string();
    let (status, said, shown) = check(&["--metrics-file", &nowhere]);
    assert!(
        status == Some(0) && said.contains("metrics_file: ") && shown.contains("and warn of that"),
        "{said}{shown}"
    );
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (status, said, _) = check(&["--metrics-listen", &taken.local_addr().unwrap().to_string()]);
    assert!(status == Some(2) && said.contains("metrics_listen 127.0.0.1:"), "{said}");
}

#[test]
fn a_start_that_fails_leaves_no_socket_behind() {
    // Root may give its files to any group.
    if nix::unistd::Uid::effective().is_root() || nix::unistd::Gid::effective().as_raw() == 0 {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("broker.sock");
    for command in ["check-config", "serve"] {
        let output = program().arg(command).arg("--socket").arg(&socket).arg("--socket-group=0").output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains("changing the socket's group"), "{said}");
        assert!(!socket.exists());
    }
}

#[test]
fn who_holds_the_place_is_named() {
    let broker = Broker::start(&[]);
    let output = program().arg("serve").arg("--socket").arg(broker.socket()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("another broker holds") && said.contains(&format!("process {}", broker.pid())), "{said}");
}

#[test]
fn a_broker_in_the_background_has_a_log_that_status_names() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("own/broker.sock");
    let log = dir.path().join("own/broker.log");
    std::fs::create_dir(dir.path().join("own")).unwrap();
    std::fs::write(&log, vec![b'x'; (1 << 20) + 1]).unwrap();
    let run = |arguments: &[&str]| program().args(arguments).arg("--socket").arg(&socket).output().unwrap();
    assert!(run(&["serve", "--daemonize"]).status.success());
    let said = String::from_utf8(run(&["status"]).stdout).unwrap();
    let text = std::fs::read_to_string(&log).unwrap();
    assert!(run(&["stop"]).status.success());
    assert!(said.contains(&format!("log      {}", log.display())), "{said}");
    assert!(text.contains("Serving") && text.len() < 1 << 20, "what was long is put aside: {}", text.len());
    assert!(log.with_extension("log.old").exists());
}

#[test]
fn brokers_are_listed() {
    let broker = Broker::start(&[]);
    let listed = String::from_utf8(program().arg("brokers").output().unwrap().stdout).unwrap();
    let socket = broker.socket().display().to_string();
    let line = listed.lines().find(|line| line.ends_with(&socket)).unwrap_or_else(|| panic!("{listed}"));
    assert!(line.contains("healthy") && line.contains(&broker.pid().to_string()), "{line}");
    let all = String::from_utf8(program().args(["brokers", "--json"]).output().unwrap().stdout).unwrap();
    let own = json(&all).as_array().unwrap().iter().find(|one| one["socket"] == socket.as_str()).cloned().unwrap();
    assert_eq!((own["pid"].as_u64(), own["state"].as_str()), (Some(broker.pid().into()), Some("healthy")));
}

#[test]
fn a_broker_whose_socket_another_process_listens_on_is_listed() {
    // As systemd does for a broker that is started when it is needed.
    let dir = tempfile::tempdir().unwrap();
    let script = r#"
        use Socket; use POSIX ();
        my ($path, $log, @command) = @ARGV;
        $^F = 100; # what is opened from here on outlives exec
        socket my $listener, PF_UNIX, SOCK_STREAM, 0 or die; bind $listener, pack_sockaddr_un($path) or die;
        pipe my $listens, my $told or die;
        my $parent = $$;
        if (!fork) { listen $listener, 10 or die; close $_ for $told, *STDOUT, *STDERR; sleep 1 while getppid == $parent; exit }
        close $told; readline $listens; # until the child listens
        POSIX::dup2(fileno $listener, 3);
        $ENV{LISTEN_FDS} = 1; $ENV{LISTEN_PID} = $$;
        exec @command, 'serve', '--ready-fd', 1, '--socket', '/nowhere/else', '--log-file', $log;
    "#;
    let mut command = std::process::Command::new("perl");
    command.args(["-e", script]).arg(dir.path().join("broker.sock")).arg(dir.path().join("log"));
    command.arg(env!("CARGO_BIN_EXE_cpan-bridge"));
    let broker = Broker::of(command, dir);
    let all = String::from_utf8(program().args(["brokers", "--json"]).output().unwrap().stdout).unwrap();
    let socket = broker.socket().display().to_string();
    let one = json(&all).as_array().unwrap().iter().find(|one| one["socket"] == socket.as_str()).cloned();
    let one = one.unwrap_or_else(|| panic!("not in {all}"));
    assert_eq!((one["pid"].as_u64(), one["state"].as_str()), (Some(broker.pid().into()), Some("healthy")));
    assert_eq!(one["peer_uid"], nix::unistd::Uid::effective().as_raw());
}

#[test]
fn scripts_of_the_old_daemon_find_what_they_read() {
    let broker = Broker::start(&[]);
    let health = broker.call("test.health", none()).unwrap();
    for name in ["status", "daemon_version", "uptime", "active_connections", "loaded_modules", "resources", "stats"] {
        assert!(!health[name].is_nil(), "{name}: {health}");
    }
    assert!(
        health["loaded_modules"].is_array()
            && health["status"].is_str()
            && health["resources"]["violations"].is_array()
    );
    for (method, kind) in [("crypto.no_such", "unauthorized_function"), ("no_such.function", "unauthorized_module")] {
        let error = broker.call(method, none());
        assert!(message(&error).contains("not allowed"), "{}", message(&error));
        let stats = broker.call("test.stats", none()).unwrap();
        let security = &stats["security_metrics"];
        assert!(
            security["total_events"].as_u64() > Some(0) && security["events_by_type"][kind] == 1.into(),
            "{security}"
        );
    }
    let stats = broker.call("system.stats", none()).unwrap();
    let figures =
        ["validation_failures", "requests_rejected", "requests_failed"].map(|name| stats[name].as_u64().unwrap());
    assert_eq!(figures, [2, 2, 2]);
    assert_eq!(stats["validation_config"]["strict_mode"], 1.into());
    assert_eq!(stats["security_metrics"]["recent_events"].as_array().unwrap().len(), 2);
    // A known function's error never says so.
    let known = broker.call("crypto.encrypt", map([("nonsense", 1.into())]));
    assert!(
        !message(&known).contains("not allowed") && !message(&known).contains("unauthorized"),
        "{}",
        message(&known)
    );
    let first = broker.call("system.metrics", none()).unwrap()["connection_summary"].clone();
    assert_eq!(first["total_connections"], first["active_connections"]);
}

#[test]
fn servers_that_are_not_reached_are_a_figure_of_their_own() {
    let broker = Broker::start(&[]);
    // Its port is nobody's any more.
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let params = map([("url", format!("http://{address}/").into())]);
    for _ in 0..2 {
        assert_eq!(broker.call("http_helper.get", params.clone()).unwrap()["success"], false.into());
    }
    assert!(
        printed(&broker, &["status"]).contains("network  http_helper.get: 2 of 2 reached no server, or it broke off")
    );
    broker.call("system.reload", none()).unwrap();
    let status = printed(&broker, &["status"]);
    assert!(status.lines().any(|line| line.contains(&format!(" {address}: 2 times, last "))), "{status}");
    assert!(
        printed(&broker, &["metrics"]).contains("cpan_bridge_requests_unreached_total{"),
        "and it survives a reload"
    );
}

#[test]
fn handles_of_others_are_counted_and_listed_for_the_owner_alone() {
    if !can_act_as_others() {
        return;
    }
    let broker = open_broker(&["--allow-user=65534"]);
    let mut guest = Client::connect_as(65534, &broker.socket());
    for _ in 0..3 {
        guest.call("crypto.new", map([("key", "k".into())])).unwrap();
    }
    broker.call("crypto.new", map([("key", "k".into())])).unwrap();
    let own = nix::unistd::Uid::effective().as_raw();
    let result = guest.call("system.handles", map([("user", own.into())]));
    assert_eq!(code(&result), "denied");
    let seen = guest.call("system.metrics", none()).unwrap()["handles_by_user"].clone();
    assert_eq!(seen.as_array().unwrap().len(), 1, "a guest sees its own: {seen}");
    let listed = printed(&broker, &["handles"]);
    assert!(listed.contains(": see them with --user "), "{listed}");
    assert!(listed.lines().any(|line| line.contains(" has 3, which hold ")), "{listed}");
    let theirs = printed(&broker, &["handles", "--user", "65534", "--by-script"]);
    let line = theirs.lines().nth(1).unwrap_or_else(|| panic!("{theirs}"));
    assert!(line.contains(" cipher ") && line.contains(" 3 "), "{theirs}");
    let labels: Vec<String> = broker
        .call("system.handles", none())
        .unwrap()
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["label"].as_str().unwrap().to_owned())
        .collect();
    let freed = printed(&broker, &["handles", "free", &labels[0]]);
    assert_eq!(freed, format!("Freed {}, a cipher\n", labels[0]));
}

#[test]
fn a_script_that_made_handles_is_named_when_it_has_ended() {
    let broker = Broker::start(&[]);
    let mut made = script(&broker, "leaky.pl", "crypto.new", "key => 'k'");
    eventually("its handle", || broker.call("system.handles", none()).unwrap().as_array().unwrap().len() == 1);
    let named = || printed(&broker, &["handles", "--by-script"]).contains("leaky.pl");
    eventually("its name", named);
    made.kill().unwrap();
    made.wait().unwrap();
    assert!(named());
    broker.call("system.reload", none()).unwrap();
    assert!(named(), "after a reload");
}

#[test]
fn a_user_without_a_broker_is_told_of_and_no_other_broker_will_do() {
    let mut command = program();
    // Nobody has a broker that a test of ours could meet.
    let output = command.args(["stop", "--broker-user", "65533"]).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("user 65533 has no broker in /run/user/65533/cpan-bridge, /tmp/cpan-bridge-65533"), "{said}");
}

#[test]
fn who_was_killed_is_told_by_the_next() {
    let mut broker = Broker::start(&[]);
    broker.signal(nix::sys::signal::Signal::SIGKILL);
    broker.wait();
    let log = broker.dir().join("next.log");
    let socket = broker.socket();
    let mut next = program();
    next.arg("serve").arg("--socket").arg(&socket).arg("--log-file").arg(&log);
    let mut next = next.spawn().unwrap();
    eventually("what it says", || {
        std::fs::read_to_string(&log).is_ok_and(|log| log.contains("did not end by itself: it was killed"))
    });
    next.kill().unwrap();
    next.wait().unwrap();
}
