//! What a caller is told when a call fails.

use serde::Serialize;
use serde::ser::SerializeMap;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;

/// The kinds of failure on the wire. Their names are part of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// The bytes were no frame or no MessagePack-RPC message; the connection is closed after it.
    Protocol,
    /// No module of that name.
    UnknownModule,
    /// The module has no function of that name.
    UnknownFunction,
    /// A parameter is missing, unknown, of the wrong type or out of range.
    InvalidParams,
    /// No such handle, or another user's, or expired: the three are not told apart.
    NotFound,
    /// This peer may not call this function.
    Denied,
    /// The request is above the function's own limit, or its result would not fit a frame.
    TooLarge,
    /// A queue or a quota is full; safe to retry.
    Overloaded,
    /// The call's deadline passed.
    Timeout,
    /// The caller gave the call up.
    Cancelled,
    /// The broker is shutting down; the call did not run.
    Unavailable,
    /// The operation itself failed.
    Failed,
    /// A defect of the broker.
    Internal,
}

impl Code {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Protocol => "protocol",
            Self::UnknownModule => "unknown_module",
            Self::UnknownFunction => "unknown_function",
            Self::InvalidParams => "invalid_params",
            Self::NotFound => "not_found",
            Self::Denied => "denied",
            Self::TooLarge => "too_large",
            Self::Overloaded => "overloaded",
            Self::Timeout => "timeout",
            Self::Cancelled => "cancelled",
            Self::Unavailable => "unavailable",
            Self::Failed => "failed",
            Self::Internal => "internal",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Machine-readable detail of an error: the `data` map on the wire.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ErrorData {
    /// The parameter that is at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
    /// What exists instead: modules, functions or parameters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub available: Option<Vec<String>>,
    /// The parameter names a file that the broker may not open for this peer; the caller may read the file itself
    /// and send its content in the parameter named here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub send_content_as: Option<String>,
}

/// A fact of an error in another system's terms: a number or a text.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Fact {
    /// A number: a database's own, a line, a column.
    Number(i64),
    /// A text: an SQLSTATE, a reply code with its class.
    Text(String),
}

impl From<i64> for Fact {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<&str> for Fact {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// A failed call: what the caller gets instead of a result.
///
/// A pointer to what there is to say of it, because results are handed on from function to function with every call, and most are
/// no errors: one register, in place of 40 bytes that are copied each time.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{}: {}", self.code, self.message)]
pub struct CallError(Box<Failure>);

/// What is said of a failed call.
///
/// The message is one line that a person can act on, and never holds a secret.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// The kind of failure.
    pub code: Code,
    /// One line for a person.
    pub message: String,
    /// What it is about, for a program.
    pub data: Option<Box<ErrorData>>,
    /// What another system said: `number`, `state`, `reply`, `line`, `column` and the like, as each module documents them.
    pub detail: BTreeMap<&'static str, Fact>,
}

impl Deref for CallError {
    type Target = Failure;

    fn deref(&self) -> &Failure {
        &self.0
    }
}

impl From<Failure> for CallError {
    fn from(failure: Failure) -> Self {
        Self(Box::new(failure))
    }
}

impl CallError {
    /// An error without further data.
    #[cold]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Failure { code, message: message.into(), data: None, detail: BTreeMap::new() }.into()
    }

    /// `invalid_params` about one parameter. The name may be one that the caller made up: it is cut as [`quote`] does it.
    pub fn invalid(parameter: &str, message: impl Into<String>) -> Self {
        let data = ErrorData { parameter: Some(quote(parameter)), ..ErrorData::default() };
        let mut error = Self::new(Code::InvalidParams, message);
        error.0.data = Some(Box::new(data));
        error
    }

    /// `failed`: the operation itself did not work.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(Code::Failed, message)
    }

    /// The same error with a list of what there is instead.
    pub fn with_available(mut self, available: Vec<String>) -> Self {
        self.0.data.get_or_insert_default().available = Some(available);
        self
    }

    /// The same error with a fact in another system's terms.
    #[must_use]
    pub fn with_detail(mut self, name: &'static str, fact: impl Into<Fact>) -> Self {
        self.0.detail.insert(name, fact.into());
        self
    }

    /// What may be kept in statistics and logs: the code, and the parameter at fault. The message is left out
    /// because it may quote what the caller sent (a name of a cipher, say).
    pub fn summary(&self) -> String {
        match self.data.as_ref().and_then(|data| data.parameter.as_ref()) {
            Some(parameter) => format!("{} (parameter {parameter})", self.code),
            None => self.code.to_string(),
        }
    }
}

impl Serialize for CallError {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let more = usize::from(self.data.is_some()) + usize::from(!self.detail.is_empty());
        let mut map = serializer.serialize_map(Some(2 + more))?;
        map.serialize_entry("code", self.code.as_str())?;
        map.serialize_entry("message", &self.message)?;
        if let Some(data) = &self.data {
            map.serialize_entry("data", data)?;
        }
        if !self.detail.is_empty() {
            map.serialize_entry("detail", &self.detail)?;
        }
        map.end()
    }
}

/// Quotes what a caller sent for use in a message: cut to a sane length, control characters escaped.
pub fn quote(text: &str) -> String {
    const LONGEST: usize = 64;
    let cut: String = text.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    if text.chars().nth(LONGEST).is_some() { format!("{cut}...") } else { cut }
}

/// The name among `names` that was probably meant by `wanted`.
pub fn nearest<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A very long name resembles nothing, and comparing it would take long.
    if wanted.len() > 64 {
        return None;
    }
    names
        .into_iter()
        .map(|name| (strsim::jaro_winkler(wanted, name), name))
        .filter(|(likeness, _)| *likeness > 0.7)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_system_said_goes_along() {
        let error = CallError::failed("no such table").with_detail("number", 942).with_detail("state", "42S02");
        let bytes = rmp_serde::to_vec(&error).unwrap();
        let value = rmpv::decode::read_value(&mut bytes.as_slice()).unwrap();
        assert_eq!((value["detail"]["number"].as_i64(), value["detail"]["state"].as_str()), (Some(942), Some("42S02")));
        let plain = rmp_serde::to_vec(&CallError::failed("no")).unwrap();
        assert_eq!(rmpv::decode::read_value(&mut plain.as_slice()).unwrap().as_map().unwrap().len(), 2);
    }

    #[test]
    fn the_nearest_name_is_offered_and_nonsense_is_not() {
        assert_eq!(nearest("encypt", ["encrypt", "decrypt", "hash"]), Some("encrypt"));
        assert_eq!(nearest("qqqq", ["encrypt", "decrypt", "hash"]), None);
        assert_eq!(nearest(&"e".repeat(100_000), ["encrypt"]), None);
    }

    #[test]
    fn quoted_text_is_one_short_line() {
        assert_eq!(quote("a\nb"), "a\\nb");
        assert!(quote(&"x".repeat(1000)).len() < 80);
    }

    #[test]
    fn a_summary_does_not_hold_the_message() {
        let error = CallError::invalid("cipher", "Unsupported cipher algorithm: hunter2");
        assert_eq!(error.summary(), "invalid_params (parameter cipher)");
    }
}
