//! The command line beside a running broker: what an operator sees, and what a script can go by.

use crate::support::*;
use std::process::{Command, Stdio};

#[test]
fn call_prints_the_result_and_exits_by_the_error() {
    let broker = Broker::start(&["--test-faults"]);
    let answer = printed(&broker, &["call", "test.echo", "a=1", "b:=[true,null]"]);
    assert_eq!(json(&answer), serde_json::json!({ "a": "1", "b": [true, null] }));
    let file = broker.dir().join("bytes");
    std::fs::write(&file, b"\xff\x00").unwrap();
    let answer = printed(&broker, &["call", "test.echo", &format!("data=@{}", file.display())]);
    assert_eq!(json(&answer)["data"]["base64"], "/wA=");
    assert_eq!(json(&printed(&broker, &["call", "test.echo", r#"{"a": {"b": 2.5}}"#]))["a"]["b"], 2.5);
    for (arguments, status, words) in [
        (&["call", "crypto.hsh"][..], 4, "did you mean `hash`"),
        (&["call", "crypto.hash"], 4, "data"),
        (&["call", "crypto.encrypt", "cipher_id=x", "plaintext=y"], 6, "Invalid cipher ID"),
        (&["call", "test.panic"], 9, "a defect of the broker"),
        (&["call", "test.echo", "nonsense"], 2, "neither name=value nor a JSON object"),
        (
            &["call", "--socket=/nonexistent/socket", "test.ping"],
            3,
            "start one there with `cpan-bridge serve --socket /nonexistent/socket`",
        ),
        (
            &["call", "test.echo", "a=1", "--socket=/nonexistent/socket"],
            3,
            "start one there with `cpan-bridge serve --socket /nonexistent/socket`",
        ),
        (&["call"], 2, "MODULE.FUNCTION"),
    ] {
        let output = run(&broker, arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {said}");
        assert!(said.contains(words), "{arguments:?}: {said}");
    }
}

#[test]
fn status_is_one_screen_and_an_exit_status() {
    let mut broker = Broker::start(&["--high-connections=3", "--elevated-connections=2"]);
    let said = printed(&broker, &["status"]);
    assert!(said.starts_with("healthy: version ") && said.lines().count() <= 24, "{said}");
    assert!(!said.contains('\u{1b}'), "no colour where it is no terminal");
    let report = json(&printed(&broker, &["status", "--json"]));
    assert_eq!(
        (report["overall_status"].as_str(), report["pid"].as_u64()),
        (Some("healthy"), Some(broker.pid().into()))
    );
    let crowd: Vec<Client> = (0..5).map(|_| broker.connect()).collect();
    eventually("the warning", || run(&broker, &["status"]).status.code() == Some(1));
    assert!(String::from_utf8_lossy(&run(&broker, &["status"]).stdout).starts_with("degraded: "));
    drop(crowd);
    assert!(printed(&broker, &["stop"]).starts_with("Stopped"));
    assert_eq!(broker.wait().code(), Some(0));
    let output = run(&broker, &["status"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stdout).contains("start one there with"), "{output:?}");
    let output = run(&broker, &["status", "--json"]);
    assert_eq!(json(&String::from_utf8_lossy(&output.stdout))["overall_status"], "unreachable");
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn status_finds_the_broker_where_clients_look_and_says_what_scripts_find() {
    let home = tempfile::tempdir().unwrap();
    let runtime = tempfile::tempdir().unwrap();
    std::fs::create_dir(runtime.path().join("cpan-bridge")).unwrap();
    let look = |perl5lib: Option<&str>| {
        let mut command = program();
        command.arg("status").current_dir(home.path()).env("XDG_RUNTIME_DIR", runtime.path());
        command.env_remove("CPAN_BRIDGE_SOCKET").env_remove("PERL5LIB").envs(perl5lib.map(|place| ("PERL5LIB", place)));
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let client = concat!(env!("CARGO_MANIFEST_DIR"), "/perl/lib");
    let (status, said) = look(Some(client));
    if status != Some(3) {
        return eprintln!("skipped: this user has a broker in one of the usual places:\n{said}");
    }
    assert!(said.contains("there is no such socket"), "{said}");
    assert!(said.contains(&format!("finds CPANBridge 0.100: {client}/CPANBridge.pm")), "{said}");
    let (_, said) = look(None);
    // This program lies in the target directory of the source, unless perl finds a client that is installed.
    assert!(said.contains(&format!("export PERL5LIB={client}")) || said.contains("finds CPANBridge"), "{said}");

    let mut command = program();
    command.args(["serve", "--ready-fd=1"]).env("XDG_RUNTIME_DIR", runtime.path()).env_remove("CPAN_BRIDGE_SOCKET");
    let broker = Broker::of(command, home);
    let output = program().arg("status").env("XDG_RUNTIME_DIR", runtime.path()).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.starts_with("healthy") && said.contains(runtime.path().to_str().unwrap()), "{said}");
    drop(broker);
}

#[test]
fn ping_measures_and_sums_up() {
    let broker = Broker::start(&[]);
    let said = printed(&broker, &["ping", "-c", "3", "-i", "0.01"]);
    assert_eq!(said.lines().filter(|line| line.starts_with("answer ")).count(), 3, "{said}");
    assert!(said.contains("3 calls, 3 answers, 0% lost") && said.contains("min/avg/max/mdev = "), "{said}");
    let summary = json(&printed(&broker, &["ping", "-c", "2", "-i", "0", "--json"]));
    assert_eq!((summary["answers"].as_u64(), summary["lost_percent"].as_f64()), (Some(2), Some(0.0)));
    assert!(summary["time_ms"]["max"].as_f64() > Some(0.0), "{summary}");
    // Interrupted, it sums up as well.
    let child = command(&broker, &["ping", "-i", "60"]).stdout(Stdio::piped()).spawn().unwrap();
    eventually("a call", || broker.call("test.stats", none()).unwrap()["connections_total"].as_u64() >= Some(4));
    eventually("its answer", || {
        let connections = broker.call("system.connections", none()).unwrap()["connections"].clone();
        connections
            .as_array()
            .unwrap()
            .iter()
            .any(|one| one["peer_pid"] == child.id().into() && one["bytes_out"].as_u64() > Some(0))
    });
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 calls, 1 answers, 0% lost"), "{output:?}");
}

#[test]
fn handles_and_connections_are_listed_and_ended() {
    let broker = Broker::start(&[]);
    assert_eq!(printed(&broker, &["handles"]), "no live handles\n");
    let mut client = broker.connect();
    let id =
        client.call("crypto.new", map([("key", "a key".into())])).unwrap()["cipher_id"].as_str().unwrap().to_owned();
    let label = &id[..8];
    let listed = printed(&broker, &["handles"]);
    assert!(listed.contains(label) && listed.contains("cipher"), "{listed}");
    assert!(!listed.contains(&id), "the whole name is for who made it");
    assert_eq!(json(&printed(&broker, &["handles", "--json"]))[0]["label"], label);
    assert_eq!(printed(&broker, &["handles", "free", label]), format!("Freed {label}, a cipher\n"));
    assert_eq!(run(&broker, &["handles", "free", label]).status.code(), Some(6));
    let listed = printed(&broker, &["connections"]);
    assert!(listed.lines().count() == 3 && listed.contains(&std::process::id().to_string()), "{listed}");
    let all = json(&printed(&broker, &["connections", "--json"]));
    // The latest is the command's own; the oldest is the one that the test holds.
    let number = all["connections"].as_array().unwrap().last().unwrap()["connection_id"].to_string();
    assert_eq!(printed(&broker, &["connections", "close", &number]), "Closed\n");
    assert_eq!(client.receive(), None);
    assert_eq!(run(&broker, &["connections", "close", &number]).status.code(), Some(6));
    assert_eq!(broker.call("system.connections", none()).unwrap()["closed"]["closed"], 1.into());
}

#[test]
fn what_can_be_called_is_described_by_the_broker_or_without_one() {
    let broker = Broker::start(&["--test-faults"]);
    let said = printed(&broker, &["describe"]);
    assert!(said.contains("crypto.encrypt") && said.contains("test.panic") && !said.contains("plaintext"), "{said}");
    let said = printed(&broker, &["describe", "crypto.encrypt"]);
    assert!(said.contains("plaintext_hex") && !said.contains("crypto.decrypt"), "{said}");
    assert!(printed(&broker, &["describe", "test.panic"]).contains("Runs inline."));
    let one = json(&printed(&broker, &["describe", "http.download", "--json"]));
    assert_eq!(one[0]["functions"][0]["touches"], "files and network");
    for (what, words) in [("nope", "there are crypto, html, http_helper"), ("test.pong", "there are ")] {
        let output = run(&broker, &["describe", what]);
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&output.stderr).contains(words), "{output:?}");
    }
    // Where none runs this program says what it would offer, which is without the faults.
    let nowhere = ["--socket", "/nonexistent/socket"];
    assert!(printed(&broker, &[&["describe", "crypto"], &nowhere[..]].concat()).contains("crypto.encrypt"));
    assert_eq!(run(&broker, &[&["describe", "test.panic"], &nowhere[..]].concat()).status.code(), Some(1));
    // Its name of before.
    assert!(printed(&broker, &["modules", "crypto"]).contains("plaintext_hex"));
}

#[test]
fn settings_are_checked_without_a_broker() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("settings.toml");
    std::fs::write(&file, "workers = 7\n").unwrap();
    let socket = dir.path().join("broker.sock");
    let check = |more: &[&str]| {
        let mut command = program();
        command.arg("check-config").arg("--config").arg(&file).arg("--socket").arg(&socket).args(more);
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap())
    };
    let (status, said) = check(&["--max-handles=3"]);
    assert_eq!(status, Some(0), "{said}");
    assert!(
        said.contains("workers = \"7\"  (file ") && said.contains("max_handles = \"3\"  (flag --max-handles)"),
        "{said}"
    );
    assert!(!said.contains("max_frame") && check(&["--all"]).1.contains("max_frame = \"16MiB\"  (default)"), "{said}");
    assert_eq!(json(&check(&["--json"]).1)["settings"]["workers"]["value"], "7");
    std::fs::write(&file, "worker = 7\n").unwrap();
    let (status, said) = check(&[]);
    assert_eq!(status, Some(2));
    assert!(said.contains("did you mean `workers`?") && said.contains("line 1"), "{said}");
}

#[test]
fn a_reader_that_is_gone_is_no_failure() {
    let broker = Broker::start(&[]);
    for arguments in
        [&["status"][..], &["metrics"], &["describe"], &["completions", "bash"], &["check-config", "--all"]]
    {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = command(&broker, arguments).stdout(writer).stderr(Stdio::piped()).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{arguments:?}: {output:?}");
    }
}

#[test]
fn completions_are_there_for_every_shell() {
    for (shell, words) in
        [("bash", "complete -F"), ("zsh", "#compdef cpan-bridge"), ("fish", "complete -c cpan-bridge")]
    {
        let output = program().args(["completions", shell]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains(words) && text.contains("check-config"), "{shell}");
        // Where the shell is at hand it reads them.
        if let Ok(mut child) = Command::new(shell).arg("-n").stdin(Stdio::piped()).stderr(Stdio::piped()).spawn() {
            std::io::Write::write_all(&mut child.stdin.take().unwrap(), text.as_bytes()).unwrap();
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success(), "{shell}: {output:?}");
        }
    }
}

#[test]
fn the_name_of_a_process_does_nothing_to_the_terminal() {
    let broker = Broker::start(&[]);
    // Its name is a colour, a title, a new line, a C1 control and a change of direction.
    let script = r#"use Socket; $0 = "\e[31m\n\x9b\xe2\x80\xaex"; socket my $s, PF_UNIX, SOCK_STREAM, 0;
        connect $s, pack_sockaddr_un($ARGV[0]) or die "connect: $!"; $| = 1; print "ready\n"; readline STDIN"#;
    let mut command = Command::new("perl");
    command.args(["-e", script]).arg(broker.socket()).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut ready = [0; 6];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut ready).unwrap();
    let list = printed(&broker, &["connections"]);
    let steers = |c: char| (c.is_control() && c != '\n') || ('\u{202a}'..='\u{202e}').contains(&c);
    assert!(list.contains(r"\u{1b}[31m\n") && !list.contains(steers), "{list:?}");
    assert_eq!(list.lines().count(), 3, "a heading, the process, the command itself: {list}");
    for arguments in [&["call", "test.echo", "a=\u{1b}[2J\u{9b}\u{202e}"][..], &["call", "test.nothing\u{1b}[2J\u{9b}"]]
    {
        let output = run(&broker, arguments);
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(said.contains("[2J") && !said.contains(steers), "{said:?}");
    }
    drop(child.stdin.take());
    child.wait().unwrap();
}

#[test]
fn a_list_may_be_given_name_by_name_and_nothing_else_twice() {
    let check = |flags: &[&str]| program().arg("check-config").args(flags).output().unwrap();
    let output = check(&["--allow-user=1", "--allow-user=2,3", "--allow-group", "4"]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("allow_user = \"1,2,3\"") && said.contains("allow_group = \"4\""), "{said}");
    for command in ["check-config", "serve"] {
        let output = program().args([command, "--workers=1", "--workers=2"]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.code() == Some(2) && said.contains("--workers") && said.contains("multiple times"),
            "{said}"
        );
    }
}

#[test]
fn a_list_is_whole_however_long_it_is() {
    let broker = Broker::start(&[]);
    let clients: Vec<Client> = (0..1_020).map(|_| broker.connect()).collect();
    let mut maker = broker.connect();
    let cipher = map([("key", "k".into()), ("cipher", "AES".into())]);
    (0..1_020).for_each(|_| drop(maker.call("crypto.new", cipher.clone()).unwrap()));
    let connections = json(&printed(&broker, &["connections", "--json"]));
    let numbers: std::collections::BTreeSet<u64> = connections["connections"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["connection_id"].as_u64().unwrap())
        .collect();
    assert!(numbers.len() >= clients.len() + 2, "{} of {}", numbers.len(), clients.len());
    let handles = json(&printed(&broker, &["handles", "--json"]));
    assert_eq!(handles.as_array().unwrap().len(), 1_020);
}

#[test]
fn a_broker_that_says_nothing_is_not_waited_for() {
    let broker = Broker::start(&[]);
    broker.stop();
    let output = run(&broker, &["status"]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("did not answer within"), "{output:?}");
    broker.signal(nix::sys::signal::Signal::SIGCONT);
}

#[test]
fn what_is_not_allowed_has_one_exit_status() {
    use std::os::unix::process::CommandExt;
    if !can_act_as_others() {
        return;
    }
    let broker = open_broker(&[&format!("--allow-user={STRANGER}")]);
    for command in ["stop", "reload"] {
        let mut refused = program();
        refused.arg(command).arg("--broker-user=0").arg("--socket").arg(broker.socket()).uid(STRANGER);
        match refused.output() {
            Ok(output) => assert_eq!(output.status.code(), Some(5), "{command}: {output:?}"),
            Err(error) => eprintln!("skipped: another user can't run the program: {error}"),
        }
    }
    drop(broker);
    for command in ["stop", "reload"] {
        let output = program().arg(command).arg("--socket=/nonexistent/broker.sock").output().unwrap();
        assert_eq!(output.status.code(), Some(3), "{command}");
    }
}
