//! The log in systemd's journal, line by line with its fields.
//!
//! Protocol: <https://systemd.io/JOURNAL_NATIVE_PROTOCOL/>.

use libsystemd::errors::SdError;
use libsystemd::logging::{Priority, journal_send};
use slog::{Drain, KV, Key, Level, OwnedKVList, Record, Serializer};
use std::fmt::{self, Write as _};
use std::io::{self, ErrorKind};
use std::path::Path;

/// Where journald listens.
const SOCKET: &str = "/run/systemd/journal/socket";

/// Sends lines to the journal.
pub struct Journal;

impl Journal {
    /// The journal of this host.
    ///
    /// # Errors
    /// A host without one.
    pub fn new() -> io::Result<Self> {
        if Path::new(SOCKET).exists() {
            return Ok(Self);
        }
        Err(io::Error::new(ErrorKind::NotFound, format!("log_format journal: there is no {SOCKET} on this host")))
    }
}

impl Drain for Journal {
    type Ok = ();
    type Err = SdError;

    fn log(&self, record: &Record<'_>, values: &OwnedKVList) -> Result<(), SdError> {
        let entry = Entry::of(record, values);
        journal_send(priority(record.level()), &entry.message, entry.fields.into_iter())
    }
}

/// What a line says, as the journal keeps it.
struct Entry {
    /// The line as people read it, with what it says besides: `journalctl` shows no fields unless asked.
    message: String,
    fields: Vec<(String, String)>,
}

impl Entry {
    fn of(record: &Record<'_>, values: &OwnedKVList) -> Self {
        let mut fields = Fields(Vec::new());
        // The collector never fails.
        let _ = record.kv().serialize(record, &mut fields);
        let _ = values.serialize(record, &mut fields);
        let mut message = record.msg().to_string();
        for (key, value) in &fields.0 {
            let _ = write!(message, ", {key}: {value}");
        }
        let identifier = ("SYSLOG_IDENTIFIER".to_owned(), "cpan-bridge".to_owned());
        let named = fields.0.into_iter().map(|(key, value)| (field_name(key), value));
        Self { message, fields: named.chain([identifier]).collect() }
    }
}

/// A name that the journal takes, marked as ours so that it is none of the journal's own.
fn field_name(key: Key) -> String {
    let letters = key.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' });
    "CPAN_BRIDGE_".chars().chain(letters).collect()
}

/// Collects fields in the order in which the line gives them.
struct Fields(Vec<(Key, String)>);

impl Serializer for Fields {
    fn emit_arguments(&mut self, key: Key, value: &fmt::Arguments<'_>) -> slog::Result {
        // slog hands over the last first.
        self.0.insert(0, (key, value.to_string()));
        Ok(())
    }
}

const fn priority(level: Level) -> Priority {
    match level {
        Level::Critical => Priority::Critical,
        Level::Error => Priority::Error,
        Level::Warning => Priority::Warning,
        Level::Info => Priority::Info,
        Level::Debug | Level::Trace => Priority::Debug,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[test]
    fn an_entry_reads_well_and_carries_its_fields() {
        #[derive(Clone, Default)]
        struct Seen(Arc<Mutex<Vec<Entry>>>);
        impl Drain for Seen {
            type Ok = ();
            type Err = slog::Never;
            fn log(&self, record: &Record<'_>, values: &OwnedKVList) -> Result<(), slog::Never> {
                self.0.lock().unwrap().push(Entry::of(record, values));
                Ok(())
            }
        }
        let seen = Seen::default();
        let logger = slog::Logger::root(seen.clone().fuse(), slog::o!());
        slog::warn!(logger, "The metrics file can't be written"; "file" => "/x\ny", "how-often" => 3);
        let entries = seen.0.lock().unwrap();
        assert_eq!(entries[0].message, "The metrics file can't be written, file: /x\ny, how-often: 3");
        let fields: Vec<_> = entries[0].fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let expected =
            [("CPAN_BRIDGE_FILE", "/x\ny"), ("CPAN_BRIDGE_HOW_OFTEN", "3"), ("SYSLOG_IDENTIFIER", "cpan-bridge")];
        assert_eq!(fields, expected);
    }
}
