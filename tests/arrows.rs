//! The rooms of the house and the one-way doors between them (docs/architecture.md).

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What each room may use of the others.
const ROOMS: &[(&str, &[&str])] = &[
    ("protocol", &[]),
    ("stats", &[]),
    ("health", &["stats"]),
    ("config", &["protocol::error"]),
    ("logging", &["config"]),
    ("modules", &["protocol", "stats", "health"]),
    ("broker", &["protocol", "modules", "stats", "health", "config", "logging"]),
    ("cli", &["protocol", "modules", "config", "logging", "broker"]),
];

fn sources(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|entry| sources(&entry)).filter(|file| file.extension().is_some_and(|kind| kind == "rs")).collect()
}

/// The paths that a file names behind `crate::`, comments left out.
fn uses(file: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(file).unwrap();
    let code: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let code = code.join("\n");
    code.split("crate::")
        .skip(1)
        .map(|rest| rest.chars().take_while(|c| c.is_alphanumeric() || matches!(c, '_' | ':')).collect::<String>())
        .collect()
}

#[test]
fn arrows_go_one_way() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let names: Vec<&str> = ROOMS.iter().map(|(room, _)| *room).collect();
    let mut seen = 0;
    for (room, may_use) in ROOMS {
        let place = [src.join(room), src.join(format!("{room}.rs"))].into_iter().find(|path| path.exists()).unwrap();
        for file in sources(&place) {
            for used in uses(&file) {
                let other = used.split(':').next().unwrap();
                if other == *room || !names.contains(&other) {
                    continue;
                }
                seen += 1;
                let allowed = may_use.iter().any(|allowed| used.starts_with(allowed));
                assert!(allowed, "{} uses crate::{used}: {room} may use {may_use:?}", file.display());
            }
        }
    }
    assert!(seen > 50, "only {seen} uses were found");
}

#[test]
fn the_broker_alone_names_the_loops_crates() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for file in sources(&src) {
        if file.starts_with(src.join("broker")) {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        for name in ["mio::", "slab::", "nix::sys::socket"] {
            assert!(!text.contains(name), "{} names {name}", file.display());
        }
    }
}

#[test]
fn the_broker_knows_the_registry_and_no_single_module() {
    let broker = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/broker");
    for file in sources(&broker) {
        for used in uses(&file) {
            for module in ["crypto", "test", "system"] {
                assert!(!used.starts_with(&format!("modules::{module}")), "{} names {used}", file.display());
            }
        }
    }
}
