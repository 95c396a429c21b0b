//! Kinds of handles: how a module keeps a state between calls, finds it again and frees it.

use crate::call::Call;
use crate::handles::{HandleId, missing};
use crate::keep::{Keep, Shared, State};
use crate::protocol::{CallError, Code};

type Unpack<T> = fn(&[u8], &mut Shared) -> Result<T, CallError>;

/// A kind of handle that keeps a `T`. A constant of the module, which every function of the kind goes through.
pub struct Kind<T> {
    name: &'static str,
    missing: &'static str,
    unpack: Option<Unpack<T>>,
}

impl<T: Keep> Kind<T> {
    /// `name` is what handles of the kind are called in statistics; `missing` is what a caller is told who names none that there is.
    pub const fn new(name: &'static str, missing: &'static str) -> Self {
        Self { name, missing, unpack: None }
    }

    /// The same kind, whose states move to the program that takes this one's place: `unpack` makes one of what [`Keep::pack`] packed.
    /// A reload waits for handles of other kinds to end.
    pub const fn that_moves(self, unpack: Unpack<T>) -> Self {
        Self { unpack: Some(unpack), ..self }
    }

    /// Keeps a state under a new name.
    ///
    /// # Errors
    /// `overloaded` above the user's quota of handles or memory, `failed` without a broker. What a worker's call makes is judged
    /// when it is done.
    pub fn keep(&self, call: &mut Call<'_>, state: T) -> Result<HandleId, CallError> {
        call.handles().insert(self.name, state)
    }

    /// The state of the handle of this name: of the one that the call names in the parameter which the function's table says
    /// (`.on_handle(...)`), in the loop and on a worker alike.
    ///
    /// # Errors
    /// `not_found` if the caller's user has none of the kind there, saying so if it was an earlier broker's; `failed` without a broker;
    /// `internal` for another than the table says.
    pub fn get<'c>(&self, call: &'c mut Call<'_>, name: &str) -> Result<&'c mut T, CallError> {
        let (named, words) = (own(call, name)?, self.missing);
        let (state, life) = call.handles().look_up(named)?;
        state.ok_or_else(|| missing(named, words, life))
    }

    /// Frees the handle of this name, as [`Kind::get`] finds it. Returns whether there was one.
    ///
    /// # Errors
    /// `failed` without a broker, `internal` for another handle than the table says.
    pub fn free(&self, call: &mut Call<'_>, name: &str) -> Result<bool, CallError> {
        let named = own(call, name)?;
        call.handles().remove(self.name, named)
    }

    /// The kind, for the module's table; none that can't move has a place there.
    ///
    /// # Panics
    /// For a kind that does not move: the table is made when the program starts, and every test sees it.
    pub fn moves(&self) -> Movable
    where
        T: 'static,
    {
        let unpack = self.unpack.expect("only kinds that move stand in a module's table");
        Movable {
            name: self.name,
            unpack: Box::new(move |packed, shared| Ok(Box::new(unpack(packed, shared)?) as State)),
        }
    }
}

/// A kind of state that moves, whatever it is.
pub struct Movable {
    /// What handles of this kind are called in the statistics.
    pub name: &'static str,
    unpack: Box<UnpackAny>,
}

type UnpackAny = dyn Fn(&[u8], &mut Shared) -> Result<State, CallError> + Send + Sync;

impl Movable {
    /// Makes a state of what another program packed.
    ///
    /// # Errors
    /// `internal` for what is no such state.
    pub fn unpack(&self, packed: &[u8], shared: &mut Shared) -> Result<State, CallError> {
        (self.unpack)(packed, shared)
    }
}

/// The call's handle, if that is its name.
fn own(call: &Call<'_>, name: &str) -> Result<Option<HandleId>, CallError> {
    let named = HandleId::parse(name);
    if call.works_on(named) {
        return Ok(named);
    }
    Err(CallError::new(Code::Internal, "the function's table does not say that it works on this handle"))
}
