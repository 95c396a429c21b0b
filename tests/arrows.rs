//! The rooms of the house and the one-way doors between them (docs/architecture.md).

use std::collections::{BTreeMap, BTreeSet};
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
fn the_kit_knows_no_other_crate_of_ours_and_modules_know_kit_and_net_alone() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let ours = ["kit", "net", "crypto", "http_helper", "cpan-bridge"];
    let of_ours = |manifest: &Path| -> Vec<String> {
        dependencies(manifest).into_iter().filter(|name| ours.contains(&name.as_str())).collect()
    };
    assert_eq!(of_ours(&top.join("net/Cargo.toml")), ["kit"]);
    let kit = dependencies(&top.join("kit/Cargo.toml"));
    assert!(!kit.iter().any(|name| ours.contains(&name.as_str())), "{kit:?}");
    // Nor anything that is compiled from C, or is a loop's.
    for name in ["ring", "mio", "slab", "slog", "clap", "toml"] {
        assert!(!kit.iter().any(|used| used == name), "kit uses {name}");
    }
    let mut modules = 0;
    for module in fs::read_dir(top.join("modules")).unwrap() {
        let used = of_ours(&module.unwrap().path().join("Cargo.toml"));
        assert!(used.iter().all(|name| name == "kit" || name == "net") && used.contains(&"kit".to_owned()), "{used:?}");
        modules += 1;
    }
    assert!(modules > 1);
}

/// A file's code: without comments, and without its tests, which may look at anything.
fn code_of(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    let lines = text.lines().take_while(|line| !line.starts_with("#[cfg(test)]"));
    lines.map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// The names behind each `marker` in a text: `marker::a::b` and `marker::{a, b::c}` alike.
fn names_behind(text: &str, marker: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let name_of = |part: &str| part.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    for (at, _) in text.match_indices(marker) {
        if text[..at].ends_with("super::") {
            continue;
        }
        let rest = &text[at + marker.len()..];
        match rest.strip_prefix('{') {
            Some(list) => names.extend(list.split('}').next().unwrap_or_default().split(',').map(name_of)),
            None => drop(names.insert(name_of(rest))),
        }
    }
    names
}

/// Which of the files and folders beside each other in a folder use which.
fn uses_within(folder: &Path, root: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let beside: BTreeSet<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir() || path.extension().is_some_and(|kind| kind == "rs"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .filter(|name| !matches!(name.as_str(), "mod" | "lib" | "main"))
        .collect();
    let place: Vec<&str> = folder.strip_prefix(root).unwrap().iter().map(|part| part.to_str().unwrap()).collect();
    let by_crate = place.iter().fold("crate::".to_owned(), |path, part| format!("{path}{part}::"));
    let mut uses = BTreeMap::new();
    for name in &beside {
        let own = folder.join(name);
        let mut files: Vec<PathBuf> =
            [folder.join(format!("{name}.rs"))].into_iter().filter(|file| file.is_file()).collect();
        files.extend(if own.is_dir() { sources(&own) } else { Vec::new() });
        let mut used = BTreeSet::new();
        for file in files.iter().filter(|file| !file.ends_with("tests.rs")) {
            let depth = file.strip_prefix(folder).unwrap().components().count();
            let ups = if file.ends_with("mod.rs") { depth - 1 } else { depth };
            let code = code_of(file);
            used.extend(names_behind(&code, &"super::".repeat(ups)));
            used.extend(names_behind(&code, &by_crate));
        }
        used.remove(name);
        uses.insert(name.clone(), used.into_iter().filter(|other| beside.contains(other)).collect());
    }
    uses
}

/// What is left when everything that uses nothing of the rest is taken away again and again: circles, and what uses them.
fn circles(mut uses: BTreeMap<String, BTreeSet<String>>) -> BTreeMap<String, BTreeSet<String>> {
    loop {
        let free: BTreeSet<String> =
            uses.iter().filter(|(_, used)| used.is_empty()).map(|(name, _)| name.clone()).collect();
        if free.is_empty() {
            return uses;
        }
        uses.retain(|name, _| !free.contains(name));
        uses.values_mut().for_each(|used| used.retain(|name| !free.contains(name)));
    }
}

#[test]
fn there_is_no_circle_among_the_files_of_a_folder() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut roots = vec![top.join("src"), top.join("kit/src"), top.join("net/src")];
    roots.extend(fs::read_dir(top.join("modules")).unwrap().map(|entry| entry.unwrap().path().join("src")));
    let mut seen = 0;
    for root in roots {
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            folders
                .extend(fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()));
            let uses = uses_within(&folder, &root);
            seen += uses.values().map(BTreeSet::len).sum::<usize>();
            let left = circles(uses);
            assert!(left.is_empty(), "{}: {left:?}", folder.display());
        }
    }
    assert!(seen > 200, "only {seen} uses were found");
    let circle = [("a", "b"), ("b", "c"), ("c", "a"), ("d", "a")]
        .map(|(name, used)| (name.to_owned(), BTreeSet::from([used.to_owned()])));
    assert_eq!(circles(circle.into()).len(), 4, "one that is there is found");
}
