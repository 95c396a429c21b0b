//! A progress bar on standard error, drawn as `CPANBridge::Progress` draws it.

use super::say::clean_line;
use std::io::Write;
use std::time::{Duration, Instant};

/// More often nobody can read it.
const EACH: Duration = Duration::from_millis(100);
/// How wide the bar is, in characters.
const WIDTH: usize = 24;

/// One line that is drawn anew as work goes on.
pub struct Bar {
    label: String,
    shown: bool,
    begun: Instant,
    next: Instant,
    drawn: usize,
    done: u64,
    total: Option<u64>,
}

impl Bar {
    /// A bar with a label; one that is not shown draws nothing.
    pub fn new(label: &str, shown: bool) -> Self {
        let now = Instant::now();
        Self { label: label.to_owned(), shown, begun: now, next: now, drawn: 0, done: 0, total: None }
    }

    /// So many bytes are done.
    pub fn update(&mut self, done: u64, total: Option<u64>) {
        (self.done, self.total) = (done, total);
        let now = Instant::now();
        if self.shown && (now >= self.next || total == Some(done)) {
            self.next = now + EACH;
            self.draw("");
        }
    }

    /// Draws it a last time, with some words behind, and ends the line.
    pub fn finish(&mut self, words: &str) {
        if self.shown && (self.drawn > 0 || self.done > 0) {
            self.draw(words);
            eprintln!();
        }
        self.shown = false;
    }

    fn draw(&mut self, words: &str) {
        let line = self.line(self.begun.elapsed(), words);
        let count = line.chars().count();
        let blank = " ".repeat(self.drawn.saturating_sub(count));
        self.drawn = count;
        // A terminal that is gone is no reason to stop.
        let _ = write!(std::io::stderr(), "\r{}{blank}", clean_line(&line));
    }

    fn line(&self, elapsed: Duration, words: &str) -> String {
        let mut parts = vec![self.label.clone()];
        let amounts = match self.total.filter(|total| *total > 0) {
            Some(total) => {
                let part = (self.done as f64 / total as f64).min(1.0);
                let filled = (part * WIDTH as f64) as usize;
                let head = if filled < WIDTH { ">" } else { "" };
                let rest = " ".repeat(WIDTH - filled - head.len());
                parts.push(format!("{:3}%", (part * 100.0) as u32));
                parts.push(format!("[{}{head}{rest}]", "=".repeat(filled)));
                format!("{} of {}", amount(self.done as f64), amount(total as f64))
            }
            None => amount(self.done as f64),
        };
        parts.push(amounts);
        if elapsed > Duration::from_millis(500) {
            let rate = self.done as f64 / elapsed.as_secs_f64();
            parts.push(format!("{}/s", amount(rate)));
            if let Some(total) = self.total.filter(|total| words.is_empty() && rate > 0.0 && *total > self.done) {
                parts.push(format!("{} left", time(((total - self.done) as f64 / rate) as u64)));
            }
        }
        if !words.is_empty() {
            parts.push(words.to_owned());
        }
        parts.join("  ")
    }
}

fn amount(mut count: f64) -> String {
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if count < 1024.0 {
            return if unit == "B" { format!("{count:.0} B") } else { format!("{count:.1} {unit}") };
        }
        count /= 1024.0;
    }
    format!("{count:.1} TiB")
}

fn time(seconds: u64) -> String {
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{rest:02}") } else { format!("{minutes}:{rest:02}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_far_it_is() {
        let bar = Bar { done: 512, total: Some(2048), ..Bar::new("file", false) };
        assert_eq!(
            bar.line(Duration::from_secs(2), ""),
            "file   25%  [======>                 ]  512 B of 2.0 KiB  256 B/s  0:06 left"
        );
        assert_eq!(bar.line(Duration::ZERO, "done"), "file   25%  [======>                 ]  512 B of 2.0 KiB  done");
        let whole = Bar { done: 3 << 30, total: Some(3 << 30), ..Bar::new("file", false) };
        assert_eq!(whole.line(Duration::ZERO, ""), "file  100%  [========================]  3.0 GiB of 3.0 GiB");
        let endless = Bar { done: 1, ..Bar::new("file", false) };
        assert_eq!(endless.line(Duration::from_secs(1), ""), "file  1 B  1 B/s");
        assert_eq!((time(59), time(3661)), ("0:59".to_owned(), "1:01:01".to_owned()));
    }
}
