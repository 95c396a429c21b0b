//! Every line that the broker logs is explained in docs/operations.md.

use std::fs;
use std::path::Path;

/// The texts of log macros in a source.
fn logged(source: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for level in ["error!(", "warn!(", "info!(", "debug!("] {
        for (at, _) in source.match_indices(level) {
            let call = &source[at + level.len()..];
            let text = call.split('"').nth(1).unwrap_or_default();
            // What is worded elsewhere (the health lines) comes in by a placeholder.
            if text.starts_with(char::is_uppercase) {
                lines.push(text.split(" \\\n").next().unwrap_or_default().trim().to_owned());
            }
        }
    }
    lines
}

fn sources(directory: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(directory).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.extend(logged(&fs::read_to_string(path).unwrap()));
        }
    }
}

#[test]
fn every_line_of_the_log_is_explained() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut lines = Vec::new();
    sources(&root.join("src"), &mut lines);
    assert!(lines.len() > 20, "{lines:?}");
    let page = fs::read_to_string(root.join("docs/operations.md")).unwrap();
    for line in lines {
        // A long line is shown by how it begins.
        let begin = line.split([':', ';']).next().unwrap_or_default();
        assert!(page.contains(begin), "docs/operations.md does not explain {line:?}");
    }
}
