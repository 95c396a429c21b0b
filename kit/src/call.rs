//! One call, as a function sees it.

use super::Registry;
use super::caller::Caller;
use super::cancellation::Cancellation;
use super::handles::{HandleId, Handles, Lease};
use super::host::Host;
use crate::protocol::reply::write_value;
use crate::protocol::{Buffer, CallError, Code};
use serde::Serialize;
use std::cell::RefCell;
use std::sync::Arc;

/// How far a worker's call has come: done, total if known, and what is counted.
pub type ProgressReport = (u64, Option<u64>, &'static str);

/// The line between a worker's call and the loop while the call runs.
pub struct Control {
    cancellation: Arc<Cancellation>,
    report: Option<Box<dyn Fn(ProgressReport) + Send>>,
    unreached: RefCell<Option<String>>,
}

impl Control {
    /// A line on which the loop cancels, and hears through `report` if the caller asked for it.
    pub fn new(cancellation: Arc<Cancellation>, report: Option<Box<dyn Fn(ProgressReport) + Send>>) -> Self {
        Self { cancellation, report, unreached: RefCell::default() }
    }

    /// The server that the function has noted it did not reach.
    pub fn unreached(&self) -> Option<String> {
        self.unreached.take()
    }
}

/// What a function may use while it runs.
pub struct Call<'a> {
    /// Who calls.
    pub caller: Caller,
    place: Place<'a>,
    out: &'a mut Buffer,
}

enum Place<'a> {
    // With the handle that the parameters name where the function's table says that they name one.
    Loop(&'a mut dyn Host, Option<HandleId>),
    Worker(&'a mut Lease, &'a Control, Option<&'a Registry>),
    // A process of its own: no state, no broker to report on.
    Alone,
}

impl<'a> Call<'a> {
    /// A call in the loop: `host` is the broker, `handle` what [`Function::handle`](crate::Function::handle) found.
    pub fn inline(caller: Caller, handle: Option<HandleId>, host: &'a mut dyn Host, out: &'a mut Buffer) -> Self {
        Self { caller, place: Place::Loop(host, handle), out }
    }

    /// A call on a worker.
    pub fn on_worker(caller: Caller, lease: &'a mut Lease, control: &'a Control, out: &'a mut Buffer) -> Self {
        Self { caller, place: Place::Worker(lease, control, None), out }
    }

    /// The same call, for a function that may tell of the others.
    pub fn among(mut self, functions: &'a Registry) -> Self {
        if let Place::Worker(_, _, registry) = &mut self.place {
            *registry = Some(functions);
        }
        self
    }

    /// A call without a broker.
    pub fn detached(caller: Caller, out: &'a mut Buffer) -> Self {
        Self { caller, place: Place::Alone, out }
    }

    /// The broker, for functions that report on it or steer it. They have to run in the loop.
    ///
    /// # Errors
    /// `failed` in a call without a broker.
    pub fn host(&mut self) -> Result<&mut (dyn Host + 'a), CallError> {
        match &mut self.place {
            Place::Loop(host, _) => Ok(&mut **host),
            Place::Worker(..) | Place::Alone => Err(super::handles::needs_broker()),
        }
    }

    /// Every module there is.
    ///
    /// # Errors
    /// `failed` in a call without a broker.
    pub fn registry(&self) -> Result<&Registry, CallError> {
        match &self.place {
            Place::Loop(host, _) => Ok(host.registry()),
            Place::Worker(_, _, Some(registry)) => Ok(registry),
            Place::Worker(..) | Place::Alone => Err(super::handles::needs_broker()),
        }
    }

    /// Whether this is the handle that the call works on by its function's table. Without a broker there is none to work on.
    pub(crate) fn works_on(&self, id: Option<HandleId>) -> bool {
        match &self.place {
            Place::Loop(_, handle) => *handle == id,
            Place::Worker(lease, ..) => lease.wanted == id,
            Place::Alone => true,
        }
    }

    /// Whether what the call's handle holds may grow by so many bytes.
    ///
    /// # Errors
    /// `overloaded` if not.
    pub fn may_grow(&mut self, more: usize) -> Result<(), CallError> {
        self.handles().may_grow(more)
    }

    /// The state kept between calls.
    pub(crate) fn handles(&mut self) -> Handles<'_> {
        let caller = self.caller;
        match &mut self.place {
            Place::Loop(host, _) => {
                let now = host.uptime();
                Handles::of_store(caller, host.handle_store(), now)
            }
            Place::Worker(lease, ..) => Handles::of_lease(caller, lease),
            Place::Alone => Handles::absent(caller),
        }
    }

    /// Whether nobody waits for this call any more. Long work asks now and then, and stops.
    pub fn is_cancelled(&self) -> bool {
        self.cancellation().is_some_and(|cancellation| cancellation.is_set())
    }

    /// What tells that nobody waits for this call any more, for work that waits for something else meanwhile. Only a
    /// worker's call can be cancelled.
    pub fn cancellation(&self) -> Option<&Arc<Cancellation>> {
        match &self.place {
            Place::Worker(_, control, _) => Some(&control.cancellation),
            Place::Loop(..) | Place::Alone => None,
        }
    }

    /// Whether the caller asked to be told how far the work has come.
    pub fn wants_progress(&self) -> bool {
        matches!(&self.place, Place::Worker(_, Control { report: Some(_), .. }, _))
    }

    /// Tells the caller how far the work has come, if it asked to be told.
    pub fn progress(&self, done: u64, total: Option<u64>, unit: &'static str) {
        if let Place::Worker(_, Control { report: Some(report), .. }, _) = &self.place {
            report((done, total, unit));
        }
    }

    /// Notes that a server (name and port) could not be reached, or broke off: where that is an answer like others to who called, it
    /// is still a figure of its own to who runs the broker.
    pub fn note_unreached(&self, server: &str) {
        if let Place::Worker(_, control, _) = &self.place {
            control.unreached.replace(Some(server.to_owned()));
        }
    }

    /// Writes the result.
    ///
    /// # Errors
    /// `internal` for a value that MessagePack has no form for.
    pub fn write<T: Serialize + ?Sized>(&mut self, result: &T) -> Result<(), CallError> {
        write_value(self.out, result).map_err(|error| CallError::new(Code::Internal, error.to_string()))
    }

    /// Where the result goes, for functions that write it piece by piece.
    pub fn out(&mut self) -> &mut Buffer {
        self.out
    }
}
