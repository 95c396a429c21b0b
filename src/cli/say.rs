//! Printing for people: in colour where it can be seen, without a word where nobody listens any more, and without what would
//! steer the terminal.
//!
//! Much of what is printed comes from outside: names of processes, messages of a broker, of a web server. Characters in it
//! that do something to a terminal, or to the order in which the eye reads, are written as what they are (`\u{1b}`). All text
//! goes through here; colours are added here, behind that, so none is taken from the text itself.

use anstyle::Style;
use serde_json::Value;
use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::io::{self, Write};
use std::sync::OnceLock;

/// Whether a character is none that is merely seen: control characters (C0, DEL, C1), marks that change the direction of
/// writing (Unicode Standard Annex 9, section 2), and the separators of lines and paragraphs.
const fn is_steering(c: char) -> bool {
    matches!(c, '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}')
}

fn escaped(text: &str, is_wrong: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&is_wrong) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_wrong(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// A text of one or more lines, fit for a terminal.
pub fn clean(text: &str) -> Cow<'_, str> {
    escaped(text, |c| is_steering(c) && !matches!(c, '\n' | '\t'))
}

/// A text that has to stay within its line: the name of a process, one line of a message.
pub fn clean_line(text: &str) -> Cow<'_, str> {
    escaped(text, is_steering)
}

/// JSON, on one line or indented. What would steer a terminal is escaped as JSON has it (RFC 8259, section 7), so that programs
/// read what was there.
pub fn json(value: &Value, indented: bool) -> String {
    let text = if indented { format!("{value:#}") } else { value.to_string() };
    let is_wrong = |c: char| is_steering(c) && c != '\n';
    if !text.contains(is_wrong) {
        return text;
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_wrong(c) {
            // They stand in texts alone, and have one UTF-16 unit each. Writing to a String can't fail.
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

/// A text with styles, which are kept apart from it until it is printed.
#[derive(Debug, Default)]
pub struct Text(Vec<(Style, String)>);

impl Text {
    /// Adds a piece as it is.
    pub fn plain(mut self, text: impl fmt::Display) -> Self {
        self.0.push((Style::new(), text.to_string()));
        self
    }

    /// Adds a piece in a style.
    pub fn styled(mut self, style: Style, text: impl fmt::Display) -> Self {
        self.0.push((style, text.to_string()));
        self
    }

    /// Prints it as a line, or as lines. Colours are left out where it is no terminal or NO_COLOR is set; a reader that is gone
    /// (a pager that was closed, `head`) is no failure.
    pub fn print(&self) {
        let mut out = anstream::stdout();
        note(writeln!(out, "{}", self.painted()).and_then(|()| out.flush()));
    }

    fn painted(&self) -> String {
        self.0.iter().map(|(style, text)| format!("{style}{}{style:#}", clean(text))).collect()
    }
}

/// The text alone.
impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(_, text)| f.write_str(&clean(text)))
    }
}

/// Why standard output could not be written, if something else was wrong with it than that its reader is gone. A disk that is full
/// must not look like a list that ends here.
static FAILURE: OnceLock<String> = OnceLock::new();

/// Takes note of how writing to standard output went.
pub fn note(written: io::Result<()>) {
    if let Err(error) = written
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        // The first is what counts.
        let _ = FAILURE.set(error.to_string());
    }
}

/// Why standard output could not be written.
pub fn failure() -> Option<&'static str> {
    FAILURE.get().map(String::as_str)
}

/// Prints a line to standard error.
pub fn complain(text: &str) {
    // A terminal that is gone is no reason to stop.
    let _ = writeln!(io::stderr(), "{}", clean(text));
}

/// Prints a line to standard output, as [`Text::print`] does.
macro_rules! say {
    ($($text:tt)*) => { $crate::cli::say::Text::default().plain(format_args!($($text)*)).print() };
}

pub(super) use say;

/// The end of a noun that stands behind a number.
pub fn plural(count: u64) -> &'static str {
    if count == 1 { "" } else { "s" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anstyle::AnsiColor;
    use proptest::prelude::*;

    #[test]
    fn what_steers_a_terminal_is_shown_and_does_nothing() {
        assert_eq!(clean("a\u{1b}[31mb\u{9b}2Jc\u{7f}\u{202e}d\r"), r"a\u{1b}[31mb\u{9b}2Jc\u{7f}\u{202e}d\r");
        assert_eq!(clean("two\n\tlines, ä and 漢"), "two\n\tlines, ä and 漢");
        assert_eq!(clean_line("a\nb\tc"), r"a\nb\tc");
        let value = serde_json::json!({ "name\u{9b}": "x\u{1b}\u{7f}\u{85}\u{2066}\n" });
        assert_eq!(json(&value, false), r#"{"name\u009b":"x\u001b\u007f\u0085\u2066\n"}"#);
        let styled = Text::default().styled(AnsiColor::Red.on_default(), "ba\u{1b}d").plain(" \u{1b}[0m");
        assert_eq!(styled.painted(), "\u{1b}[31mba\\u{1b}d\u{1b}[0m \\u{1b}[0m");
        assert_eq!(styled.to_string(), r"ba\u{1b}d \u{1b}[0m");
    }

    proptest! {
        #[test]
        fn json_says_the_same(text in any::<String>()) {
            let value = serde_json::json!({ text.clone(): [text] });
            for indented in [false, true] {
                let written = json(&value, indented);
                prop_assert!(!written.contains(|c| is_steering(c) && c != '\n'));
                prop_assert_eq!(&serde_json::from_str::<Value>(&written).unwrap(), &value);
            }
        }

        #[test]
        fn nothing_is_left_that_steers(text in any::<String>()) {
            prop_assert!(!clean_line(&text).contains(is_steering));
            prop_assert!(!clean(&text).contains(|c| is_steering(c) && !matches!(c, '\n' | '\t')));
        }
    }
}
