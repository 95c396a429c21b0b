//! Tables for people: columns as wide as their widest cell.

use super::say::clean_line;
use std::borrow::Cow;
use std::fmt::Write as _;

/// Lays rows out in columns; the first is the heading. Columns of numbers are set to the right.
pub fn table(rows: &[Vec<String>]) -> String {
    // What is in a cell stays in its cell.
    let rows: Vec<Vec<Cow<'_, str>>> =
        rows.iter().map(|row| row.iter().map(|cell| clean_line(cell)).collect()).collect();
    let columns = rows.first().map_or(0, Vec::len);
    let cells = |column: usize| rows.iter().filter_map(move |row| row.get(column));
    let widths: Vec<usize> =
        (0..columns).map(|n| cells(n).map(|cell| cell.chars().count()).max().unwrap_or(0)).collect();
    let is_number = |column: usize| {
        rows.len() > 1 && cells(column).skip(1).all(|cell| cell.starts_with(|c: char| c.is_ascii_digit() || c == '-'))
    };
    let right: Vec<bool> = (0..columns).map(is_number).collect();
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let width = widths[column];
            // Writing to a String can't fail.
            let _ = if right[column] { write!(line, "{cell:>width$}  ") } else { write!(line, "{cell:<width$}  ") };
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// A duration as people say it: `5s`, `3m 20s`, `2h 5m`, `4d 3h`.
pub fn duration(seconds: f64) -> String {
    let whole = seconds as u64;
    match whole {
        0..60 if seconds < 10.0 => format!("{seconds:.1}s"),
        0..60 => format!("{whole}s"),
        60..3600 => format!("{}m {}s", whole / 60, whole % 60),
        3600..86_400 => format!("{}h {}m", whole / 3600, whole % 3600 / 60),
        _ => format!("{}d {}h", whole / 86_400, whole % 86_400 / 3600),
    }
}

/// A number of bytes as people say it: `512 B`, `3.4 KiB`.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = count as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{count} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [["name", "calls"], ["a.long.one", "7"], ["b", "1234"]];
        let rows: Vec<Vec<String>> =
            rows.iter().map(|row| row.iter().map(|cell| (*cell).to_owned()).collect()).collect();
        assert_eq!(table(&rows), "name        calls\na.long.one      7\nb            1234\n");
        assert_eq!(table(&[]), "");
        let forged = [vec!["name".to_owned(), "n".to_owned()], vec!["a\nb\u{1b}".to_owned(), "1".to_owned()]];
        assert_eq!(table(&forged), "name        n\na\\nb\\u{1b}  1\n");
    }

    #[test]
    fn durations_and_sizes() {
        let said: Vec<String> = [0.25, 59.0, 200.0, 7500.0, 400_000.0].map(duration).to_vec();
        assert_eq!(said, ["0.2s", "59s", "3m 20s", "2h 5m", "4d 15h"]);
        assert_eq!([0, 1023, 1536, 5 << 30].map(bytes), ["0 B", "1023 B", "1.5 KiB", "5.0 GiB"]);
    }
}
