//! The page: charts, tables, and what holds them together.

use super::Answers;
use super::chart::{Chart, Line, escape};
use crate::cli::table::{bytes, duration};
use crate::cli::who;
use chrono::{DateTime, Local};
use serde_json::Value;
use std::fmt::Write as _;

const STYLE: &str = "body{font:15px/1.45 system-ui,sans-serif;max-width:1200px;margin:2em auto;padding:0 1em;color:#222;background:#fff}\
h1{font-size:1.6em}h2{font-size:1.2em;margin-top:2em}.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(460px,1fr));gap:1em}\
figure{margin:0;border:1px solid #ddd;border-radius:6px;padding:.6em}figcaption{font-weight:600}svg{width:100%;height:auto}\
svg text{font-size:11px;fill:#555}polyline{stroke-width:1.5}.grid{stroke:#e4e4e4}circle{fill:transparent}circle:hover{fill:#2228}\
.legend{margin:.2em 0 0;font-size:.85em}table{border-collapse:collapse;font-variant-numeric:tabular-nums}\
th,td{text-align:left;padding:.25em .9em .25em 0;border-bottom:1px solid #eee;vertical-align:top}td.n,th.n{text-align:right}\
.healthy,.pass{color:#00703c}.degraded,.warn{color:#9a5b00}.unhealthy,.fail{color:#b00020}\
@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}figure{border-color:#444}.grid{stroke:#333}svg text{fill:#aaa}th,td{border-color:#333}\
.healthy,.pass{color:#5fd39a}.degraded,.warn{color:#e8b04b}.unhealthy,.fail{color:#ff7b8a}circle:hover{fill:#fff8}}";

/// The whole page.
pub fn render(answers: &Answers) -> String {
    let mut page = String::from("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n");
    // Writing to a String can't fail.
    let _ = writeln!(
        page,
        "<meta name=\"viewport\" content=\"width=device-width\"><title>CPAN Bridge: report</title><style>{STYLE}</style></head><body>"
    );
    heading(&mut page, answers);
    page.push_str("<h2>Over its life</h2>\n<div class=\"charts\">\n");
    charts(answers).iter().for_each(|chart| page.push_str(chart));
    page.push_str("</div>\n");
    functions(&mut page, answers);
    errors(&mut page, answers);
    checks(&mut page, answers);
    numbers(&mut page, answers);
    settings(&mut page, answers);
    page.push_str("</body></html>\n");
    page
}

fn heading(page: &mut String, answers: &Answers) {
    let text = |value: &Value| escape(value.as_str().unwrap_or_default());
    let verdict = text(&answers.now.health["overall_status"]);
    let _ = write!(
        page,
        "<h1>CPAN Bridge on {} <span class=\"{verdict}\">{verdict}</span></h1>\n<p>Version {}, process {}, at {}; {} since its start, as of {}.</p>\n",
        escape(&answers.host),
        text(&answers.now.info["daemon_version"]),
        answers.now.info["pid"],
        text(&answers.now.info["socket_path"]),
        escape(&duration(number(&answers.now.info["uptime"]))),
        text(&answers.now.metrics["timestamp"]),
    );
    let advice = answers.now.performance["health_indicators"]["recommendations"].as_array();
    if let Some(advice) = advice.filter(|advice| !advice.is_empty()) {
        let items: String = advice.iter().map(|one| format!("<li>{}</li>", text(one))).collect();
        let _ = writeln!(page, "<ul>{items}</ul>");
    }
}

fn charts(answers: &Answers) -> Vec<String> {
    let empty = Vec::new();
    let points = answers.history.as_array().unwrap_or(&empty);
    let times: Vec<f64> = points.iter().map(|point| number(&point["at"])).collect();
    let start = number(&answers.now.metrics["system_stats"]["start_time"]);
    let long = times.last().zip(times.first()).is_some_and(|(last, first)| last - first > 86_400.0);
    let clock = |time: f64| {
        let at = DateTime::from_timestamp((start + time) as i64, 0).unwrap_or_default().with_timezone(&Local);
        at.format(if long { "%b %-d %H:%M" } else { "%H:%M:%S" }).to_string()
    };
    let line =
        |name: &'static str, value: &dyn Fn(&Value) -> f64| Line { name, values: points.iter().map(value).collect() };
    let plain = |name: &'static str, field: &'static str| line(name, &|point| number(&point[field]));
    let rate = |name: &'static str, field: &'static str| {
        line(name, &|point| number(&point[field]) / number(&point["seconds"]).max(0.001))
    };
    let chart = |title, lines, label| Chart { title, times: &times, lines, label, clock: &clock }.render();
    vec![
        chart("Calls a second", vec![rate("calls", "requests"), rate("failed", "failed")], rounded),
        chart("Time of a call", vec![plain("p50", "p50"), plain("p95", "p95"), plain("p99", "p99")], seconds),
        chart("Connections", vec![plain("connections", "connections")], rounded),
        chart("Memory", vec![plain("resident", "memory_mb")], |megabytes| bytes((megabytes * 1_048_576.0) as u64)),
        chart("Live handles", vec![plain("handles", "handles")], rounded),
        chart("Calls waiting for a worker", vec![plain("waiting", "queued")], rounded),
    ]
}

/// A table with a heading; cells after the first are numbers, set to the right, unless they say otherwise.
fn table(page: &mut String, title: &str, heads: &[&str], rows: &[Vec<String>], texts: &[usize]) {
    let _ = writeln!(page, "<h2>{}</h2>", escape(title));
    if rows.is_empty() {
        page.push_str("<p>None.</p>\n");
        return;
    }
    let class = |column: usize| if column == 0 || texts.contains(&column) { "" } else { " class=\"n\"" };
    let cells = |tag: &str, row: &[String]| -> String {
        row.iter()
            .enumerate()
            .map(|(column, cell)| format!("<{tag}{}>{}</{tag}>", class(column), escape(cell)))
            .collect()
    };
    let heads: Vec<String> = heads.iter().map(|head| (*head).to_owned()).collect();
    let _ = writeln!(page, "<table><tr>{}</tr>", cells("th", &heads));
    for row in rows {
        let _ = writeln!(page, "<tr>{}</tr>", cells("td", row));
    }
    page.push_str("</table>\n");
}

fn functions(page: &mut String, answers: &Answers) {
    let rows = rows(&answers.now.performance["module_performance"]["top_modules"], |one| {
        vec![
            plain(&one["module_function"]),
            plain(&one["requests"]),
            format!("{:.3}", number(&one["avg_time_ms"])),
            format!("{:.3}", number(&one["p99_time_ms"])),
            format!("{:.3}", number(&one["max_time_ms"])),
            format!("{:.3}", number(&one["total_time_ms"]) / 1e3),
            format!("{:.2}", number(&one["error_rate"])),
        ]
    });
    let heads = ["function", "calls", "mean ms", "p99 ms", "longest ms", "all of them, s", "failed %"];
    table(page, "Functions, the busiest first", &heads, &rows, &[]);
}

fn errors(page: &mut String, answers: &Answers) {
    let rows = rows(&answers.now.performance["recent_errors"], |one| {
        let took = format!("{:.3}", number(&one["duration_ms"]));
        let who = format!("{} ({})", who::script_of(one), one["peer_pid"]);
        vec![
            plain(&one["timestamp"]),
            plain(&one["module_function"]),
            plain(&one["error"]),
            took,
            who::user_of(one),
            who,
        ]
    });
    let heads = ["when", "function", "error", "after ms", "user", "script (process)"];
    table(page, "Recent errors", &heads, &rows, &[1, 2, 4, 5]);
}

fn checks(page: &mut String, answers: &Answers) {
    page.push_str("<h2>Checks</h2>\n<table>\n");
    for (name, check) in answers.now.health["checks"].as_object().into_iter().flatten() {
        let (status, message) = (escape(&plain(&check["status"])), escape(&plain(&check["message"])));
        let _ =
            writeln!(page, "<tr><td class=\"{status}\">{status}</td><td>{}</td><td>{message}</td></tr>", escape(name));
    }
    page.push_str("</table>\n");
}

fn numbers(page: &mut String, answers: &Answers) {
    let all = &answers.now.performance["performance_metrics"];
    let workers = &answers.now.performance["worker_performance"];
    let mut rows: Vec<Vec<String>> = [
        ("calls answered", plain(&all["total_requests"])),
        ("of them failed", plain(&all["failed_requests"])),
        ("mean time of a call", seconds(number(&all["avg_response_time"]))),
        ("longest call", seconds(number(&all["max_response_time"]))),
        ("connections so far", plain(&answers.now.connections["connections_accepted"])),
        ("most at one time", plain(&answers.now.connections["peak_connections"])),
        ("calls done by workers", plain(&workers["finished"])),
        ("most that waited for one", plain(&workers["peak_queued"])),
        ("refused as too many", plain(&workers["overloaded"])),
        ("CPU time", duration(number(&answers.now.metrics["resource_status"]["cpu_seconds"]))),
        ("most memory", bytes((number(&answers.now.metrics["resource_status"]["peak_memory"]) * 1_048_576.0) as u64)),
    ]
    .map(|(name, value)| vec![name.to_owned(), value])
    .into();
    let closed = answers.now.connections["closed"].as_object().into_iter().flatten();
    rows.extend(closed.map(|(reason, count)| vec![format!("connections closed: {reason}"), plain(count)]));
    table(page, "Figures", &["", ""], &rows, &[]);
}

/// Settings that were chosen.
fn settings(page: &mut String, answers: &Answers) {
    let all = answers.now.info["configuration_sources"].as_object().into_iter().flatten();
    let chosen = all.filter(|(_, source)| *source != "default");
    let values = &answers.now.info["configuration"];
    let rows: Vec<_> = chosen.map(|(name, source)| vec![name.clone(), plain(&values[name]), plain(source)]).collect();
    table(page, "Settings that differ from their defaults", &["setting", "value", "from"], &rows, &[1, 2]);
}

fn rows(list: &Value, row: impl Fn(&Value) -> Vec<String>) -> Vec<Vec<String>> {
    list.as_array().into_iter().flatten().map(row).collect()
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_default()
}

/// A count, or a rate, with as many digits as are of use.
fn rounded(value: f64) -> String {
    if value >= 10.0 || value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}

fn seconds(value: f64) -> String {
    match value {
        0.0 => "0".to_owned(),
        value if value < 1e-3 => format!("{:.0} \u{b5}s", value * 1e6),
        value if value < 1.0 => format!("{} ms", rounded(value * 1e3)),
        value => format!("{} s", rounded(value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::top::Sample;

    #[test]
    fn what_others_wrote_is_text_and_not_markup() {
        let info = serde_json::json!({ "socket_path": "/tmp/<script>alert('x')</script>" });
        let answers = Answers { now: Sample { info, ..Sample::default() }, ..Answers::default() };
        let page = render(&answers);
        assert!(page.contains("&lt;script&gt;alert(&#39;x&#39;)") && !page.contains("<script"), "{page}");
    }

    #[test]
    fn values_read_well() {
        let said: Vec<String> = [0.0, 0.000_062, 0.0125, 0.5, 2.0, 61.4].map(seconds).to_vec();
        assert_eq!(said, ["0", "62 \u{b5}s", "12 ms", "500 ms", "2 s", "61 s"]);
        assert_eq!([0.0, 0.25, 3.0, 1234.5].map(rounded), ["0", "0.25", "3", "1234"]);
    }
}
