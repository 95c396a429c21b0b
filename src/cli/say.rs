//! Printing for people: in colour where it can be seen, and without a word where nobody listens any more.

/// Prints a line to standard output. Colours are left out where it is no terminal or NO_COLOR is set; a reader that is gone (a
/// pager that was closed, `head`) is no failure.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(anstream::stdout(), $($text)*);
    }};
}

pub(super) use say;
