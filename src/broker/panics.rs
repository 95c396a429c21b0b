//! A defect in a function ends its call, not the broker.

use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe};

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
    static LOCATION: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Where a function panicked. The panic's message is left out: it may hold what a caller sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Panic {
    /// File and line.
    pub location: String,
}

/// Has panics within [`catch`] noted by place and kept off standard error. Others are reported as usual.
pub fn install_hook() {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if GUARDED.get() {
            LOCATION.set(info.location().map(|location| format!("{}:{}", location.file(), location.line())));
        } else {
            usual(info);
        }
    }));
}

/// Runs `work`; a panic within it is an error here.
///
/// # Errors
/// [`Panic`] with its place, if [`install_hook`] was called before.
pub fn catch<T>(work: impl FnOnce() -> T) -> Result<T, Panic> {
    GUARDED.set(true);
    // Nothing that `work` may leave half-done is used afterwards: its output is taken back and its handle is ended.
    let result = panic::catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(false);
    result.map_err(|_| Panic { location: LOCATION.take().unwrap_or_else(|| "an unknown place".to_owned()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_with_its_place_only() {
        install_hook();
        let panic = catch::<()>(|| panic!("hunter2")).unwrap_err();
        assert!(panic.location.contains("panics.rs:"), "{}", panic.location);
        assert!(!panic.location.contains("hunter2"));
        assert_eq!(catch(|| 7), Ok(7));
    }
}
