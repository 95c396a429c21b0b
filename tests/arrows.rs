//! The rooms of the house and the one-way doors between them (docs/architecture.md).

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What each room may use of the others.
const ROOMS: &[(&str, &[&str])] = &[
    ("stats", &[]),
    ("health", &["stats"]),
    ("config", &[]),
    ("logging", &["config"]),
    ("broker", &["stats", "health", "config", "logging"]),
    ("modules", &["stats", "health", "broker"]),
    ("cli", &["modules", "config", "logging", "broker"]),
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

/// Names of crates in a table of a manifest.
fn dependencies(manifest: &Path) -> Vec<String> {
    let manifest: toml::Table = fs::read_to_string(manifest).unwrap().parse().unwrap();
    manifest["dependencies"].as_table().unwrap().keys().cloned().collect()
}

#[test]
fn the_kit_knows_no_other_crate_of_ours_and_modules_know_the_kit_alone() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let ours = ["kit", "crypto", "http_helper", "cpan-bridge"];
    let kit = dependencies(&top.join("kit/Cargo.toml"));
    assert!(!kit.iter().any(|name| ours.contains(&name.as_str())), "{kit:?}");
    // Nor anything that is compiled from C, or is a loop's.
    for name in ["ring", "mio", "slab", "slog", "clap", "toml"] {
        assert!(!kit.iter().any(|used| used == name), "kit uses {name}");
    }
    let mut modules = 0;
    for module in fs::read_dir(top.join("modules")).unwrap() {
        let used = dependencies(&module.unwrap().path().join("Cargo.toml"));
        let used: Vec<&String> = used.iter().filter(|name| ours.contains(&name.as_str())).collect();
        assert_eq!(used, ["kit"]);
        modules += 1;
    }
    assert!(modules > 1);
}
