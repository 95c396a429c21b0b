//! Settings: four sources, one name, errors that say where.

use crate::support::*;
use rmpv::Value;

/// What `serve` says that can't start with these settings.
fn refusal(flags: &[&str], environment: &[(&str, &str)]) -> String {
    let output = program().arg("serve").args(flags).envs(environment.iter().copied()).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("settings.toml");
    std::fs::write(&file, "workers = 1\nmax_handles = 11\nhealth_interval = \"15m\"\n").unwrap();
    let mut command = program();
    command.arg("serve").arg("--socket").arg(dir.path().join("broker.sock")).arg("--config").arg(&file);
    command.env("CPAN_BRIDGE_WORKERS", "2").env("CPAN_BRIDGE_MAX_OUTSTANDING", "22").env("CPAN_BRIDGE_DEBUG", "1");
    command.args(["--workers", "3", "--ready-fd=1"]).arg("--log-file").arg(dir.path().join("log"));
    let broker = Broker::of(command, dir);
    let info = broker.call("system.info", none()).unwrap();
    let check = |name: &str, value: Value, source: &str| {
        assert_eq!(info["configuration"][name], value, "{name}");
        let from: &Value = &info["configuration_sources"][name];
        assert!(from.as_str().unwrap().starts_with(source), "{name}: {from}");
    };
    check("workers", 3.into(), "flag --workers");
    check("max_outstanding", 22.into(), "environment CPAN_BRIDGE_MAX_OUTSTANDING");
    check("max_handles", 11.into(), "file ");
    check("health_interval", Value::F64(900.0), "file ");
    check("log_level", "debug".into(), "environment CPAN_BRIDGE_DEBUG");
    check("max_connections", 10_000.into(), "default");
    // Scripts of the old daemon divide these.
    for (old, value) in [("max_request_size", Value::from(16 << 20)), ("connection_timeout", Value::F64(300.0))] {
        assert_eq!(info["configuration"][old], value, "{old}");
    }
}

#[test]
fn a_wrong_value_is_told_with_its_place_and_what_is_allowed() {
    let said = refusal(&["--workers=none"], &[]);
    assert!(said.contains("workers") && said.contains("flag --workers") && said.contains("from 1 to 1024"), "{said}");
    let said = refusal(&[], &[("CPAN_BRIDGE_STALE_TIMEOUT", "soon")]);
    assert!(said.contains("CPAN_BRIDGE_STALE_TIMEOUT") && said.contains("duration"), "{said}");
    let said = refusal(&["--config=/no/such/file"], &[]);
    assert!(said.contains("/no/such/file"), "{said}");
    let said = refusal(&["--wrokers=1"], &[]);
    assert!(said.contains("--workers"), "{said}");
}

#[test]
fn help_names_every_subcommand() {
    let output = program().arg("--help").output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    for word in ["serve", "oneshot", "modules", "CPAN_BRIDGE_SOCKET", "XDG_RUNTIME_DIR"] {
        assert!(help.contains(word), "{word} is missing in:\n{help}");
    }
}
