//! Functions that change something: closing, freeing, locking, reloading, ending.

use crate::broker::shapes::Cleaned;
use crate::broker::view::View;
use kit::call::Call;
use kit::function::NoParameters;
use kit::protocol::lenient::{Bytes, Integer, Text};
use kit::protocol::{CallError, Code};
use kit::store::{HandleReport, LONGEST_REPORT};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The result of `system.cleanup`.
#[derive(Serialize, JsonSchema)]
pub struct Cleanup {
    cleaned_connections: u64,
    connections_details: Vec<Cleaned>,
    remaining_connections: u64,
}

/// `system.cleanup`.
///
/// # Errors
/// `failed` without a broker.
pub fn cleanup(call: &mut Call<'_>, _: NoParameters) -> Result<Cleanup, CallError> {
    let mut host = View::of(call)?;
    let connections_details = host.close_stale();
    Ok(Cleanup {
        cleaned_connections: connections_details.len() as u64,
        connections_details,
        remaining_connections: host.counters().active_connections,
    })
}

/// The parameters of `system.close_connection`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CloseConnection {
    /// The connection's number, as system.connections has it.
    connection_id: Integer,
}

/// The result of `system.close_connection`.
#[derive(Serialize, JsonSchema)]
pub struct Closed {
    closed: bool,
}

/// `system.close_connection`: closes any connection but the one that asks; for the broker's own user and root.
///
/// # Errors
/// `denied` to others, `not_found` for a number that no other connection has.
pub fn close_connection(call: &mut Call<'_>, params: CloseConnection) -> Result<Closed, CallError> {
    only_for_owner(call, "close connections")?;
    let closed = u64::try_from(params.connection_id.0)
        .is_ok_and(|serial| View::of(call).is_ok_and(|mut host| host.close(serial)));
    if closed {
        return Ok(Closed { closed });
    }
    Err(CallError::new(Code::NotFound, "no such connection, or the one that asks"))
}

/// The parameters of `system.handles`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListHandles<'a> {
    /// The last label of the answer before; the first handles if not given.
    #[serde(borrow, default)]
    after: Option<Text<'a>>,
    /// How many, 1 to 500; 500 if not given.
    #[serde(default)]
    limit: Option<Integer>,
    /// Another user's, by number: for the broker's own user and root.
    #[serde(default)]
    user: Option<Integer>,
}

/// `system.handles`: the caller's handles, by label, in answers of bounded length.
///
/// # Errors
/// `failed` without a broker, `invalid_params` for a limit out of range, `denied` for another user's to who runs no broker.
pub fn handles(call: &mut Call<'_>, params: ListHandles<'_>) -> Result<Vec<HandleReport>, CallError> {
    let most = limit(params.limit, LONGEST_REPORT)?;
    let uid = whose(call, params.user)?;
    let mut host = View::of(call)?;
    let now = host.uptime();
    let mut report = host.handle_store().report(uid, now, params.after.as_deref(), most);
    for handle in &mut report {
        handle.script = handle.maker_pid.and_then(|pid| host.maker(pid));
    }
    Ok(report)
}

/// Whose handles a call is about.
///
/// # Errors
/// `invalid_params` for what is no user's number, `denied` for another user's to who runs no broker.
fn whose(call: &Call<'_>, user: Option<Integer>) -> Result<u32, CallError> {
    let own = call.caller.uid;
    let Some(user) = user else { return Ok(own) };
    let uid =
        u32::try_from(user.0).map_err(|_| CallError::invalid("user", "parameter `user` must be a user's number"))?;
    if uid == own || call.caller.privileged {
        return Ok(uid);
    }
    Err(CallError::new(Code::Denied, "another user's handles are the broker's own user's and root's to see and free"))
}

/// How many entries a list may have.
///
/// # Errors
/// `invalid_params` out of range.
pub fn limit(given: Option<Integer>, most: usize) -> Result<usize, CallError> {
    match given.map(|limit| usize::try_from(limit.0)) {
        None => Ok(most),
        Some(Ok(limit)) if (1..=most).contains(&limit) => Ok(limit),
        Some(_) => Err(CallError::invalid("limit", format!("parameter `limit` must be from 1 to {most}"))),
    }
}

/// The parameters of `system.free_handle`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FreeHandle<'a> {
    /// The handle's label, as system.handles has it: the beginning of its name.
    #[serde(borrow)]
    label: Text<'a>,
    /// Another user's, by number: for the broker's own user and root.
    #[serde(default)]
    user: Option<Integer>,
}

/// The result of `system.free_handle`.
#[derive(Serialize, JsonSchema)]
pub struct FreedHandle {
    freed: bool,
    kind: &'static str,
}

/// `system.free_handle`: frees a handle of the caller's user.
///
/// # Errors
/// `not_found` for a label that none has, `failed` for one that several have, `overloaded` while a call works on it.
pub fn free_handle(call: &mut Call<'_>, params: FreeHandle<'_>) -> Result<FreedHandle, CallError> {
    let uid = whose(call, params.user)?;
    let kind = View::of(call)?.handle_store().free(uid, &params.label)?;
    Ok(FreedHandle { freed: true, kind })
}

/// A passphrase, for `system.lock` and `system.unlock`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Passphrase<'a> {
    /// What unlocks it again.
    #[serde(borrow)]
    passphrase: Bytes<'a>,
}
kit::parameters!(CloseConnection, FreeHandle<'_>, ListHandles<'_>, Passphrase<'_>);

/// The result of `system.lock` and `system.unlock`.
#[derive(Serialize, JsonSchema)]
pub struct Locked {
    locked: bool,
}

/// `system.lock`.
///
/// # Errors
/// `invalid_params` for an empty passphrase, `failed` if it is locked.
pub fn lock(call: &mut Call<'_>, params: Passphrase<'_>) -> Result<Locked, CallError> {
    let uid = call.caller.uid;
    View::of(call)?.lock(uid, &params.passphrase)?;
    Ok(Locked { locked: true })
}

/// `system.unlock`.
///
/// # Errors
/// `denied` for another passphrase or a try too soon after one, `failed` if it is not locked.
pub fn unlock(call: &mut Call<'_>, params: Passphrase<'_>) -> Result<Locked, CallError> {
    let uid = call.caller.uid;
    View::of(call)?.unlock(uid, &params.passphrase)?;
    Ok(Locked { locked: false })
}

/// `system.reload`: answered when it is done, by the program that has taken over, or when it has failed.
///
/// # Errors
/// `denied` to others than the broker's own user and root, `failed`.
pub fn reload(call: &mut Call<'_>, _: NoParameters) -> Result<(), CallError> {
    only_for_owner(call, "reload it")?;
    View::of(call)?.reload()
}

/// The result of `system.shutdown`.
#[derive(Serialize, JsonSchema)]
pub struct Shutdown {
    message: &'static str,
}

/// `system.shutdown`.
///
/// # Errors
/// `denied` to others than the broker's own user and root.
pub fn shutdown(call: &mut Call<'_>, _: NoParameters) -> Result<Shutdown, CallError> {
    only_for_owner(call, "shut it down")?;
    View::of(call)?.shut_down();
    Ok(Shutdown { message: "shutting down: calls in work are finished first" })
}

fn only_for_owner(call: &Call<'_>, what: &str) -> Result<(), CallError> {
    if call.caller.privileged {
        return Ok(());
    }
    Err(CallError::new(Code::Denied, format!("only the broker's own user and root may {what}")))
}
