//! The page of a broker's life.

use crate::support::*;
use std::process::Command;

/// What a page has when a browser has read it; none without a browser.
fn seen_by_a_browser(file: &std::path::Path) -> Option<String> {
    let home = tempfile::tempdir().unwrap();
    let browsers = ["chromium", "chromium-browser", "google-chrome"];
    let flags =
        ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--virtual-time-budget=1000"];
    let output = browsers.iter().find_map(|browser| {
        let mut command = Command::new(browser);
        command.args(flags).arg(format!("--user-data-dir={}", home.path().display())).arg("--dump-dom");
        command.arg(format!("file://{}", file.display())).output().ok()
    })?;
    assert!(output.status.success(), "{output:?}");
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn a_report_shows_charts_and_tables_and_needs_nothing_beside_it() {
    let broker = Broker::start(&["--max-handles=77"]);
    for _ in 0..20 {
        broker.call("test.ping", none()).unwrap();
    }
    broker.call("test.nope", none()).unwrap_err();
    let file = broker.dir().join("report.html");
    let path = file.to_str().unwrap();
    assert_eq!(printed(&broker, &["report", "--html", path]), format!("{path}\n"));
    let page = std::fs::read_to_string(&file).unwrap();
    for words in ["healthy", "test.ping", "unknown_function", "--max-handles", broker.socket().to_str().unwrap()] {
        assert!(page.contains(words), "{words} in {page}");
    }
    // Nothing is loaded from anywhere, and nothing is run.
    for word in ["<script", "src=", "href=", "url(", "@import"] {
        assert!(!page.contains(word), "{word}");
    }
    assert_eq!(page.matches("<svg").count(), 6);
    assert!(printed(&broker, &["report", "--html", "-"]).starts_with("<!DOCTYPE html>"));
    assert_eq!(run(&broker, &["report", "--html", "/nonexistent/report.html"]).status.code(), Some(1));
    let Some(seen) = seen_by_a_browser(&file) else {
        eprintln!("skipped: there is no browser here");
        return;
    };
    // A browser mends what is wrong; what was right comes out as it went in.
    for (tag, count) in [
        ("<svg", 6),
        ("<polyline", page.matches("<polyline").count()),
        ("<h2", 6),
        ("<table", page.matches("<table").count()),
    ] {
        assert_eq!(seen.matches(tag).count(), count, "{tag} in {seen}");
    }
    assert!(seen.contains("test.ping") && seen.contains("</html>"));
}

#[test]
fn the_history_survives_a_reload() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect();
    for _ in 0..30 {
        client.call("test.ping", none()).unwrap();
    }
    client.call("system.reload", none()).unwrap();
    client.call("test.ping", none()).unwrap();
    let history = client.call("system.history", none()).unwrap();
    let points = history.as_array().unwrap();
    assert!(points.len() >= 2, "{points:?}");
    // The call that asks is not answered yet.
    assert_eq!(points.iter().map(|point| point["requests"].as_u64().unwrap()).sum::<u64>(), 32, "{points:?}");
    assert!(points.iter().all(|point| point["p99"].as_f64().unwrap() < 60.0));
}
