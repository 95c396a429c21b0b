//! How the live view is drawn. Everything fits 80 columns by 24 lines; larger screens show more rows.

use super::sample::{FunctionRow, State};
use crate::cli::say::clean_line;
use crate::cli::table::{bytes, duration};
use crate::cli::{calls, who};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Cell, Paragraph, Row, Sparkline, Table};
use serde_json::Value;
use std::cmp::Ordering;
use std::collections::VecDeque;

/// What the lower part shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tab {
    /// The functions that were called.
    #[default]
    Functions,
    /// The calls that run or wait now.
    Work,
    /// Connections.
    Connections,
    /// Recent errors.
    Errors,
    /// Checks of the health report.
    Health,
}

impl Tab {
    const ALL: [(Self, &'static str, &'static str); 5] = [
        (Self::Functions, "f", "unctions"),
        (Self::Work, "w", "ork"),
        (Self::Connections, "c", "onnections"),
        (Self::Errors, "e", "rrors"),
        (Self::Health, "h", "ealth"),
    ];

    /// The one after it.
    pub fn next(self) -> Self {
        let place = Self::ALL.iter().position(|(tab, ..)| *tab == self).unwrap_or(0);
        Self::ALL[(place + 1) % Self::ALL.len()].0
    }
}

/// By which column a table is sorted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sort {
    /// The column, counted from the first; beyond the last it begins anew.
    pub column: usize,
    /// The other way round.
    pub reverse: bool,
}

/// What somebody chose to see.
#[derive(Debug, Default)]
pub struct Screen {
    /// The lower part.
    pub tab: Tab,
    /// Its order.
    pub sort: Sort,
    /// What the keys do, in place of it.
    pub help: bool,
}

impl Screen {
    /// Shows another part, in its usual order.
    pub fn show(&mut self, tab: Tab) {
        if self.tab != tab {
            *self = Self { tab, ..Self::default() };
        }
        self.help = false;
    }
}

const DIM: Style = Style::new().add_modifier(Modifier::DIM);
const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);

/// Draws everything.
pub fn draw(frame: &mut Frame<'_>, state: &State, screen: &Screen, paused: bool) {
    let [title, graphs, figures, body, keys] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(7),
        Constraint::Length(4),
        Constraint::Min(3),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    frame.render_widget(title_line(state, paused), title);
    let [left, right] = Layout::horizontal([Constraint::Percentage(50), Constraint::Percentage(50)]).areas(graphs);
    graph(frame, left, "calls a second", &state.throughput, Color::Green, |value| format!("{value:.0}"));
    graph(frame, right, "mean latency, ms", &state.latency, Color::Yellow, |value| format!("{value:.3}"));
    frame.render_widget(Paragraph::new(figure_lines(state)), figures);
    match screen.tab {
        _ if screen.help => help(frame, body),
        Tab::Work => work(frame, body, state, screen.sort),
        Tab::Functions => functions(frame, body, state, screen.sort),
        Tab::Connections => connections(frame, body, state, screen.sort),
        Tab::Errors => errors(frame, body, state),
        Tab::Health => health(frame, body, state),
    }
    frame.render_widget(key_line(screen), keys);
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => clean_line(text).into_owned(),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    }
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_default()
}

fn title_line(state: &State, paused: bool) -> Line<'static> {
    let sample = &state.latest;
    let verdict = text(&sample.health["overall_status"]);
    let (word, colour) = match (&state.lost, verdict.as_str()) {
        (Some(_), _) => ("unreachable".to_owned(), Color::Red),
        (None, "healthy") => (verdict, Color::Green),
        (None, "degraded") => (verdict, Color::Yellow),
        (None, _) => (verdict, Color::Red),
    };
    let mut spans = vec![
        Span::styled(word, BOLD.fg(colour)),
        Span::raw(format!(
            "  cpan-bridge {}  process {}  up {}",
            text(&sample.info["daemon_version"]),
            text(&sample.info["pid"]),
            duration(number(&sample.info["uptime"]))
        )),
    ];
    if paused {
        spans.push(Span::styled("  paused", BOLD));
    }
    if let Some(why) = &state.lost {
        spans.push(Span::raw(format!("  {}", clean_line(why))));
    }
    Line::from(spans)
}

fn graph(
    frame: &mut Frame<'_>,
    area: Rect,
    name: &str,
    values: &VecDeque<f64>,
    colour: Color,
    show: fn(f64) -> String,
) {
    let width = usize::from(area.width.saturating_sub(2));
    let shown: Vec<f64> = values.iter().skip(values.len().saturating_sub(width)).copied().collect();
    let (now, most) = (shown.last().copied().unwrap_or(0.0), shown.iter().copied().fold(0.0, f64::max));
    // The graph takes whole numbers; a thousandth of the highest is finer than it can show.
    let scaled: Vec<u64> =
        shown.iter().map(|value| if most > 0.0 { (value * 1000.0 / most) as u64 } else { 0 }).collect();
    let title = format!(" {name}: {} (most {}) ", show(now), show(most));
    let block = Block::bordered().title(title).border_style(DIM);
    frame.render_widget(Sparkline::default().block(block).data(&scaled).max(1000).style(Style::new().fg(colour)), area);
}

fn figure_lines(state: &State) -> Vec<Line<'static>> {
    let sample = &state.latest;
    let all = &sample.performance["performance_metrics"];
    let workers = &sample.performance["worker_performance"];
    let resources = &sample.metrics["resource_status"];
    let ms = |name: &str| number(&all[name]) * 1e3;
    let handles = sample.metrics["handle_summary"].as_object().into_iter().flatten();
    let handles: Vec<String> = handles.map(|(kind, count)| format!("{count} {}", clean_line(kind))).collect();
    let handles = if handles.is_empty() { "none".to_owned() } else { handles.join(", ") };
    vec![
        Line::from(format!(
            "latency   p50 {:.3} ms   p95 {:.3} ms   p99 {:.3} ms   calls {} ({} failed)",
            ms("p50_response_time"),
            ms("p95_response_time"),
            ms("p99_response_time"),
            text(&all["total_requests"]),
            text(&all["failed_requests"])
        )),
        Line::from(format!(
            "now       {} connections (peak {})   workers {} of {} busy, {} waiting",
            text(&sample.connections["active_connections"]),
            text(&sample.connections["peak_connections"]),
            text(&workers["busy"]),
            text(&workers["workers"]),
            text(&workers["queued"])
        )),
        Line::from(format!(
            "holds     {:.1} MiB   {} descriptors   {:.1}% of a core",
            number(&resources["memory_mb"]),
            text(&resources["open_fds"]),
            number(&resources["cpu_percent"])
        )),
        Line::from(format!("handles   {handles}")),
    ]
}

fn key_line(screen: &Screen) -> Line<'static> {
    let mut spans = Vec::new();
    for (tab, key, rest) in Tab::ALL {
        let style = if tab == screen.tab { BOLD.add_modifier(Modifier::REVERSED) } else { BOLD };
        spans.push(Span::styled(key, style.add_modifier(Modifier::UNDERLINED)));
        spans.push(Span::styled(
            rest,
            if tab == screen.tab { Style::new().add_modifier(Modifier::REVERSED) } else { DIM },
        ));
        spans.push(Span::raw("  "));
    }
    for (key, meaning) in [("s", "ort"), ("r", "everse"), ("p", "ause"), ("?", ""), ("q", "uit")] {
        spans.push(Span::styled(key, BOLD.add_modifier(Modifier::UNDERLINED)));
        spans.push(Span::styled(meaning, DIM));
        spans.push(Span::raw("  "));
    }
    Line::from(spans)
}

/// Heading, width, and order of a column.
type Column<T> = (&'static str, u16, fn(&T, &T) -> Ordering);

/// A table whose chosen column is marked.
fn sorted_table<T>(
    frame: &mut Frame<'_>,
    area: Rect,
    rows: &mut [T],
    sort: Sort,
    columns: &[Column<T>],
    cells: impl Fn(&T) -> Vec<String>,
) {
    let chosen = sort.column % columns.len();
    let compare = columns[chosen].2;
    rows.sort_by(|one, other| if sort.reverse { compare(other, one) } else { compare(one, other) });
    let head = columns.iter().enumerate().map(|(index, (name, ..))| match (index == chosen, sort.reverse) {
        (false, _) => Cell::from(*name).style(BOLD),
        (true, reverse) => Cell::from(format!("{name}{}", if reverse { '^' } else { 'v' }))
            .style(BOLD.add_modifier(Modifier::UNDERLINED)),
    });
    let widths = columns
        .iter()
        .enumerate()
        .map(|(index, (_, width, _))| if index == 0 { Constraint::Min(*width) } else { Constraint::Length(*width) });
    let body = rows.iter().map(|row| Row::new(cells(row)));
    frame.render_widget(Table::new(body, widths).header(Row::new(head)).column_spacing(2), area);
}

/// The largest first: what one looks for.
fn most(one: f64, other: f64) -> Ordering {
    other.total_cmp(&one)
}

fn functions(frame: &mut Frame<'_>, area: Rect, state: &State, sort: Sort) {
    let mut rows = state.functions.clone();
    let columns: [Column<FunctionRow>; 7] = [
        ("function", 20, |a, b| most(a.rate, b.rate).then_with(|| b.calls.cmp(&a.calls))),
        ("a sec", 7, |a, b| most(a.rate, b.rate)),
        ("calls", 9, |a, b| b.calls.cmp(&a.calls)),
        ("mean ms", 8, |a, b| most(a.mean, b.mean)),
        ("p99 ms", 8, |a, b| most(a.p99, b.p99)),
        ("all s", 8, |a, b| most(a.total, b.total)),
        ("errors", 7, |a, b| most(a.errors, b.errors)),
    ];
    sorted_table(frame, area, &mut rows, sort, &columns, |row| {
        vec![
            clean_line(&row.method).into_owned(),
            format!("{:.1}", row.rate),
            row.calls.to_string(),
            format!("{:.3}", row.mean),
            format!("{:.3}", row.p99),
            format!("{:.1}", row.total),
            format!("{:.1}%", row.errors),
        ]
    });
}

/// What runs and what waits now, the longest first.
fn work(frame: &mut Frame<'_>, area: Rect, state: &State, sort: Sort) {
    let mut rows = state.latest.calls["calls"].as_array().cloned().unwrap_or_default();
    if rows.is_empty() {
        return frame.render_widget(Paragraph::new("no call runs on a worker or waits for one"), area);
    }
    let columns: [Column<Value>; 6] = [
        ("function", 20, |a, b| most(number(&a["seconds"]), number(&b["seconds"]))),
        ("status", 7, |a, b| calls::status(a).cmp(&calls::status(b))),
        ("since", 8, |a, b| most(number(&a["seconds"]), number(&b["seconds"]))),
        ("user", 8, |a, b| number(&a["peer_uid"]).total_cmp(&number(&b["peer_uid"]))),
        ("process", 8, |a, b| most(number(&a["peer_pid"]), number(&b["peer_pid"]))),
        ("script", 20, |a, b| number(&a["peer_pid"]).total_cmp(&number(&b["peer_pid"]))),
    ];
    sorted_table(frame, area, &mut rows, sort, &columns, |one| {
        let process = text(&one["peer_pid"]);
        vec![
            calls::function(one),
            calls::status(one),
            calls::since(one),
            who::user_of(one),
            process,
            who::script_of(one),
        ]
    });
}

fn help(frame: &mut Frame<'_>, area: Rect) {
    const KEYS: [(&str, &str); 10] = [
        ("f w c e h", "functions, calls at work now, connections, errors, health; Tab the next of them"),
        ("s", "sorts by the next column: the marked one; v the largest first, ^ the smallest"),
        ("r", "the other way round"),
        ("p space", "holds the screen still"),
        ("+ -", "twice, half as often"),
        ("q Esc", "ends"),
        ("?", "takes this away"),
        ("", ""),
        ("a sec", "calls a second since the last look; the other figures are since the start"),
        ("all s", "what all calls of a function took together: where the time goes"),
    ];
    let lines = KEYS
        .iter()
        .map(|(key, meaning)| Line::from(vec![Span::styled(format!("{key:11}"), BOLD), Span::raw(*meaning)]));
    frame.render_widget(Paragraph::new(lines.collect::<Vec<_>>()), area);
}

fn connections(frame: &mut Frame<'_>, area: Rect, state: &State, sort: Sort) {
    let mut rows = state.latest.connections["connections"].as_array().cloned().unwrap_or_default();
    let columns: [Column<Value>; 7] = [
        ("script", 14, |a, b| most(number(&a["requests_count"]), number(&b["requests_count"]))),
        ("number", 8, |a, b| most(number(&a["connection_id"]), number(&b["connection_id"]))),
        ("process", 8, |a, b| most(number(&a["peer_pid"]), number(&b["peer_pid"]))),
        ("user", 8, |a, b| most(number(&a["peer_uid"]), number(&b["peer_uid"]))),
        ("calls", 9, |a, b| most(number(&a["requests_count"]), number(&b["requests_count"]))),
        ("idle", 8, |a, b| most(number(&a["idle_time"]), number(&b["idle_time"]))),
        ("in/out", 20, |a, b| most(number(&a["bytes_in"]), number(&b["bytes_in"]))),
    ];
    sorted_table(frame, area, &mut rows, sort, &columns, |one| {
        let count = |name: &str| one[name].as_u64().unwrap_or_default();
        vec![
            who::script_of(one),
            count("connection_id").to_string(),
            count("peer_pid").to_string(),
            who::user_of(one),
            count("requests_count").to_string(),
            duration(number(&one["idle_time"])),
            format!("{} / {}", bytes(count("bytes_in")), bytes(count("bytes_out"))),
        ]
    });
}

fn errors(frame: &mut Frame<'_>, area: Rect, state: &State) {
    let all = state.latest.performance["recent_errors"].as_array().map(Vec::as_slice).unwrap_or_default();
    let head = Row::new(["time", "function", "error", "ms", "user", "script"]).style(BOLD);
    // The latest first. Of the time, the day is left out.
    let rows = all.iter().rev().map(|one| {
        let time = text(&one["timestamp"]);
        Row::new([
            time.get(11..19).unwrap_or(&time).to_owned(),
            text(&one["module_function"]),
            text(&one["error"]),
            format!("{:.1}", number(&one["duration_ms"])),
            who::user_of(one),
            who::script_of(one),
        ])
    });
    let widths = [
        Constraint::Length(8),
        Constraint::Length(18),
        Constraint::Min(16),
        Constraint::Length(7),
        Constraint::Length(8),
        Constraint::Length(16),
    ];
    if all.is_empty() {
        return frame.render_widget(Paragraph::new("no call has failed"), area);
    }
    frame.render_widget(Table::new(rows, widths).header(head).column_spacing(2), area);
}

fn health(frame: &mut Frame<'_>, area: Rect, state: &State) {
    let checks = state.latest.health["checks"].as_object().into_iter().flatten();
    let rows = checks.map(|(name, check)| {
        let (word, colour) = match check["status"].as_str() {
            Some("pass") => ("ok", Color::Green),
            Some("warn") => ("warning", Color::Yellow),
            _ => ("wrong", Color::Red),
        };
        Row::new([
            Cell::from(word).style(Style::new().fg(colour)),
            Cell::from(clean_line(name).into_owned()),
            Cell::from(text(&check["message"])),
        ])
    });
    let widths = [Constraint::Length(8), Constraint::Length(20), Constraint::Min(20)];
    frame.render_widget(
        Table::new(rows, widths).header(Row::new(["", "check", ""]).style(BOLD)).column_spacing(2),
        area,
    );
}

#[cfg(test)]
mod tests {
    use super::super::sample::tests::sample;
    use super::*;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use std::time::{Duration, Instant};

    fn state() -> State {
        let begin = Instant::now();
        let mut state = State::default();
        for second in 0..5 {
            state.add(sample(begin + Duration::from_secs(second), 1000 * second));
        }
        state
    }

    fn drawn(state: &State, screen: &Screen, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, state, screen, false)).unwrap();
        terminal.backend().to_string()
    }

    #[test]
    fn everything_fits_the_smallest_terminal() {
        let screen = Screen::default();
        let text = drawn(&state(), &screen, 80, 24);
        for expected in [
            "degraded  cpan-bridge 1.2.3  process 77  up 2m 5s",
            "calls a second: 1000 (most 1000)",
            "mean latency, ms: 1.000",
            "p50 0.500 ms   p95 2.000 ms   p99 4.000 ms   calls 4000 (2 failed)",
            "2 connections (peak 9)   workers 2 of 32 busy, 5 waiting",
            "12.5 MiB   17 descriptors   3.0% of a core",
            "handles   3 cipher, 1 http session",
            "test.echo",
            "500.0",
            "quit",
        ] {
            assert!(text.contains(expected), "{expected}\n{text}");
        }
    }

    #[test]
    fn each_part_is_shown_and_sorted() {
        let state = state();
        let place = |text: &str, word: &str| text.find(word).unwrap_or_else(|| panic!("{word}\n{text}"));
        let by = |column, reverse| Screen { sort: Sort { column, reverse }, ..Screen::default() };
        for (screen, first, second) in [
            (by(0, false), "test.echo", "crypto.encrypt"),
            (by(3, false), "crypto.encrypt", "test.echo"),
            (by(3, true), "test.echo", "crypto.encrypt"),
            // All of the time of a function, and beyond the last column it begins anew.
            (by(5, false), "crypto.encrypt", "test.echo"),
            (by(7, false), "test.echo", "crypto.encrypt"),
        ] {
            let text = drawn(&state, &screen, 100, 30);
            assert!(place(&text, first) < place(&text, second), "{screen:?}\n{text}");
        }
        let show = |tab| drawn(&state, &Screen { tab, ..Screen::default() }, 80, 24);
        let connections = show(Tab::Connections);
        assert!(place(&connections, "700") < place(&connections, "2.0 KiB / 99 B"), "{connections}");
        let own = who::script(u64::from(std::process::id())).unwrap();
        assert!(connections.contains(own.get(..10).unwrap_or(&own)), "{connections}");
        let errors = show(Tab::Errors);
        assert!(
            errors.contains("03:04:05  crypto.new") && errors.contains("root") && errors.contains("nightly.pl"),
            "{errors}"
        );
        let work = show(Tab::Work);
        assert!(place(&work, "http.get") < place(&work, "crypto.hash") && work.contains("1m 10s"), "{work}");
        assert!(drawn(&state, &by(3, false), 80, 24).contains("mean msv"), "the column that counts is marked");
        let help = drawn(&state, &Screen { help: true, ..Screen::default() }, 80, 24);
        assert!(help.contains("sorts by the next column"), "{help}");
        let health = show(Tab::Health);
        assert!(health.contains("warning") && health.contains("5 calls waiting"), "{health}");
    }

    #[test]
    fn no_size_and_no_lack_of_news_is_too_much() {
        let mut gone = state();
        gone.lose("the broker closed the connection");
        for state in [&State::default(), &gone] {
            for (width, height) in [(1, 1), (10, 5), (40, 12), (79, 23), (300, 100)] {
                for (tab, ..) in Tab::ALL {
                    drawn(state, &Screen { tab, ..Screen::default() }, width, height);
                }
            }
        }
        assert!(drawn(&gone, &Screen::default(), 100, 24).starts_with("\"unreachable"));
    }

    #[test]
    fn tabs_go_round() {
        let mut tab = Tab::Functions;
        for _ in 0..Tab::ALL.len() {
            tab = tab.next();
        }
        assert_eq!(tab, Tab::Functions);
    }
}
