//! Who is behind a user's number and a process's number: names are what people know.

use super::say::clean_line;
use crate::broker::script;
use nix::unistd::{Uid, User};
use serde_json::Value;

/// A user's name; the number of one who has none.
pub fn user(uid: u64) -> String {
    let found = u32::try_from(uid).ok().and_then(|uid| User::from_uid(Uid::from_raw(uid)).ok().flatten());
    found.map_or_else(|| uid.to_string(), |user| clean_line(&user.name).into_owned())
}

/// The script that a process runs, if it is still there and may be seen. The process chose the name, and may have chosen anything.
pub fn script(pid: u64) -> Option<String> {
    let pid = i32::try_from(pid).ok().filter(|pid| *pid > 0)?;
    script::of_process(pid).map(|name| clean_line(&name).into_owned())
}

/// The user of something that has a `peer_uid`.
pub fn user_of(one: &Value) -> String {
    one["peer_uid"].as_u64().map_or_else(|| "-".to_owned(), user)
}

/// The script of something that has a process's number under this name: what the broker found out when it happened, else what can
/// be seen now.
pub fn script_behind(one: &Value, pid: &str) -> Option<String> {
    let told = one["script"].as_str().map(|name| clean_line(name).into_owned());
    told.or_else(|| script(one[pid].as_u64()?))
}

/// The script of something that has a `peer_pid`.
pub fn script_of(one: &Value) -> String {
    script_behind(one, "peer_pid").unwrap_or_else(|| "-".to_owned())
}
