//! Functions and modules as data: what they are called, what they take, where they run.

use super::call::Call;
use super::diagnose;
use super::handles::HandleId;
use super::kind::Movable;
pub use super::parameters::{Field, NoParameters, Parameter, Parameters, Returns};
use super::parameters::{argument, describe, returns};
use crate::protocol::buffer::wipe_stack;
use crate::protocol::error::{CallError, Code, ErrorData, Failure};
use crate::protocol::head::Head;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// A named table of functions.
pub struct Module {
    /// The name callers use.
    pub name: &'static str,
    /// One line on what it is for.
    pub doc: &'static str,
    /// Its functions.
    pub functions: Vec<Function>,
    /// The kinds of its handles that can move to the program that takes this one's place.
    pub kinds: Vec<Movable>,
    /// Other names that callers may use.
    pub aliases: &'static [&'static str],
    /// Told once how much of what the host has the module may take.
    pub fit: fn(Room),
    /// What it remembers beside handles, for the program that takes this one's place.
    pub memory: Option<Memory>,
}

/// What a module remembers beside handles, on its way to the program that takes this one's place.
#[derive(Clone, Copy)]
pub struct Memory {
    /// Its bytes.
    pub pack: fn() -> Vec<u8>,
    /// Takes them in; what can't be read, an earlier program's say, is left.
    pub unpack: fn(&[u8]),
}

/// How much of what the host has a module may take.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Sockets to elsewhere.
    pub sockets: usize,
    /// Those for each user who is neither the broker's own nor root.
    pub sockets_of_guest: usize,
}

impl Module {
    /// A module with these functions.
    pub fn new(name: &'static str, doc: &'static str, functions: Vec<Function>) -> Self {
        Self { name, doc, functions, kinds: Vec::new(), aliases: &[], fit: |_| {}, memory: None }
    }

    /// The same module, with handles of these kinds that can move.
    pub fn with_kinds(self, kinds: Vec<Movable>) -> Self {
        Self { kinds, ..self }
    }

    /// The same module, called by these names as well.
    pub fn with_aliases(self, aliases: &'static [&'static str]) -> Self {
        Self { aliases, ..self }
    }

    /// The same module, which is told how much room there is.
    pub fn that_fits(self, fit: fn(Room)) -> Self {
        Self { fit, ..self }
    }

    /// The same module, remembering something beside handles that is to outlive a reload.
    pub fn that_remembers(self, memory: Memory) -> Self {
        Self { memory: Some(memory), ..self }
    }

    /// Every name that callers may use, its own last.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.aliases.iter().copied().chain([self.name])
    }
}

/// Where a function runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// In the event loop: never more than about 100 microseconds.
    Inline,
    /// On a worker: may wait, or burn CPU.
    Worker,
    /// In the event loop unless its parameters are larger than so many bytes.
    InlineUpTo(usize),
    /// In the event loop unless one of these parameters is given, or all together are larger than [`MOST_INLINE`].
    InlineWithout(&'static [&'static str]),
}

/// Bytes of parameters that a function reads in the loop which goes to a worker for other reasons.
pub const MOST_INLINE: usize = 4096;

/// The largest parameters of a function that runs inline whatever they are, in bytes; those that take anything as it is (`test.echo`)
/// take any.
pub const LARGEST_INLINE: usize = 64 * 1024;

type Run = Box<dyn Fn(&mut Call<'_>, &[u8]) -> Result<(), CallError> + Send + Sync>;

/// What a function may touch beyond its parameters and handles. The broker refuses calls of those who may not: no function has to ask.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Touches {
    /// The network.
    pub network: bool,
    /// Files, as the broker's user: those that these parameters name.
    pub files: &'static [NamedFile],
}

/// A parameter that names a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamedFile {
    /// The parameter.
    pub parameter: &'static str,
    /// What a caller can do for whom no files are opened.
    pub way_out: &'static str,
    /// The parameter in which such a caller can send the content instead.
    pub send_content_as: Option<&'static str>,
}

impl Touches {
    /// In a word, for `system.modules` and `describe`.
    pub fn word(&self) -> &'static str {
        match (self.files.is_empty(), self.network) {
            (true, false) => "nothing",
            (false, false) => "files",
            (true, true) => "network",
            (false, true) => "files and network",
        }
    }
}

impl NamedFile {
    /// The error for a caller for whom the broker opens no files.
    pub fn refusal(&self) -> CallError {
        let message = format!("the broker runs as another user and opens no files for you; {}", self.way_out);
        let data = ErrorData {
            parameter: Some(self.parameter.to_owned()),
            send_content_as: self.send_content_as.map(str::to_owned),
            ..ErrorData::default()
        };
        Failure { code: Code::Denied, message, data: Some(Box::new(data)), detail: BTreeMap::new() }.into()
    }
}

/// One function that callers can call.
pub struct Function {
    /// The name after the module's.
    pub name: &'static str,
    /// One line on what it does.
    pub doc: &'static str,
    /// What it takes.
    pub parameters: Vec<Parameter>,
    /// What it gives. Made when it is asked for: programs that answer one call have no use for it.
    pub returns: fn() -> Returns,
    /// Where it runs.
    pub placement: Placement,
    /// What it may touch.
    pub touches: Touches,
    /// The parameter that names the handle it works on. Calls on one handle run in the order sent.
    pub handle_parameter: Option<&'static str>,
    /// Whether it runs also while its caller's things are locked.
    pub while_locked: bool,
    /// For how many further calls it counts in a connection's turn: what takes long inline ends the turn, so that a flood of it
    /// holds up others no longer than one.
    pub weight: usize,
    /// What a call takes while it runs on a worker, in parts of its parameters: one is these themselves.
    pub parts: usize,
    /// Whether its answer comes later, by another way, unless it fails at once.
    pub answers_later: bool,
    // Whether it takes any parameters as they are, without looking at them.
    takes_anything: bool,
    // Whether it works with keys and plaintexts, which must not stay behind.
    secret: bool,
    run: Run,
}

impl Function {
    /// A function with typed parameters `P` and a result that is serialised.
    pub fn new<P: Parameters, R: Serialize + JsonSchema + 'static>(
        name: &'static str,
        doc: &'static str,
        function: for<'c, 'p> fn(&mut Call<'c>, P::Of<'p>) -> Result<R, CallError>,
    ) -> Self {
        let parameters = describe::<P>();
        let described = parameters.clone();
        let run: Run = Box::new(move |call, params| {
            let arguments = match rmp_serde::from_slice::<P::Of<'_>>(params) {
                Ok(arguments) => arguments,
                Err(_) => return Err(diagnose::params::<P>(params, &described)),
            };
            let result = function(call, arguments)?;
            call.write(&result)
        });
        Self { returns: returns::<R>, ..Self::with_run(name, doc, parameters, run) }
    }

    /// A function with typed parameters `P` that writes its result itself: a map as `R` describes it.
    pub fn writing<P: Parameters, R: JsonSchema + 'static>(
        name: &'static str,
        doc: &'static str,
        function: for<'c, 'p> fn(&mut Call<'c>, P::Of<'p>) -> Result<(), CallError>,
    ) -> Self {
        let parameters = describe::<P>();
        let described = parameters.clone();
        let run: Run = Box::new(move |call, params| match rmp_serde::from_slice::<P::Of<'_>>(params) {
            Ok(arguments) => function(call, arguments),
            Err(_) => Err(diagnose::params::<P>(params, &described)),
        });
        Self { returns: returns::<R>, ..Self::with_run(name, doc, parameters, run) }
    }

    /// A function that takes any parameters as they are and writes its result itself.
    pub fn raw(
        name: &'static str,
        doc: &'static str,
        function: fn(&mut Call<'_>, &[u8]) -> Result<(), CallError>,
    ) -> Self {
        Self { takes_anything: true, ..Self::with_run(name, doc, Vec::new(), Box::new(function)) }
    }

    fn with_run(name: &'static str, doc: &'static str, parameters: Vec<Parameter>, run: Run) -> Self {
        let (placement, touches) = (Placement::Inline, Touches::default());
        Self {
            name,
            doc,
            parameters,
            returns: || Returns { kind: "what was given, or as its description says".to_owned(), fields: Vec::new() },
            placement,
            touches,
            handle_parameter: None,
            while_locked: false,
            weight: 0,
            parts: 1,
            answers_later: false,
            takes_anything: false,
            secret: false,
            run,
        }
    }

    /// The same function, running elsewhere. One that touches files or the network never runs in the loop whatever it is given.
    pub fn runs(mut self, placement: Placement) -> Self {
        self.placement = placement;
        self.off_the_loop()
    }

    /// The same function, reaching the network: on a worker.
    pub fn touches_network(mut self) -> Self {
        self.touches.network = true;
        self.off_the_loop()
    }

    /// The same function, opening the files that these parameters name: on a worker, unless [`Function::runs`] says when.
    pub fn touches_files(mut self, files: &'static [NamedFile]) -> Self {
        self.touches.files = files;
        self.off_the_loop()
    }

    /// Files and networks make everybody wait who is in the loop.
    fn off_the_loop(mut self) -> Self {
        if self.placement == Placement::Inline && self.touches != Touches::default() {
            self.placement = Placement::Worker;
        }
        self
    }

    /// The same function, working on the handle that this parameter names.
    pub fn on_handle(mut self, parameter: &'static str) -> Self {
        self.handle_parameter = Some(parameter);
        self
    }

    /// The same function, running also while its caller's things are locked: it can use no key.
    pub fn while_locked(mut self) -> Self {
        self.while_locked = true;
        self
    }

    /// The same function, as one that a turn has time for once: it makes a long report.
    pub fn fills_a_turn(mut self) -> Self {
        self.weight = usize::MAX;
        self
    }

    /// The same function, making as much of its parameters as so many times these, themselves included.
    pub fn unfolds(mut self, parts: usize) -> Self {
        self.parts = parts;
        self
    }

    /// The same function, whose result is what begins: whoever knows the end answers.
    pub fn answers_later(mut self) -> Self {
        self.answers_later = true;
        self
    }

    /// The same function, leaving nothing on the stack of the keys and plaintexts that it works with.
    pub fn keeps_secrets(mut self) -> Self {
        self.secret = true;
        self
    }

    /// Whether a call with these parameters has to run on a worker.
    pub fn wants_worker(&self, params: &[u8]) -> bool {
        match self.placement {
            Placement::Inline => false,
            Placement::Worker => true,
            Placement::InlineUpTo(limit) => params.len() > limit,
            Placement::InlineWithout(parameters) => {
                params.len() > MOST_INLINE || parameters.iter().any(|name| argument(params, name).is_some())
            }
        }
    }

    /// Whether parameters of so many bytes are more than a function takes that always runs in the loop: reading them, if only to say
    /// what is wrong with them, would take long.
    pub fn takes_too_long_to_read(&self, length: usize) -> bool {
        length > LARGEST_INLINE && self.placement == Placement::Inline && !self.takes_anything
    }

    /// The handle that these parameters name, if the function works on one.
    pub fn handle(&self, params: &[u8]) -> Option<HandleId> {
        argument(params, self.handle_parameter?).and_then(crate::protocol::message::text).and_then(HandleId::parse)
    }

    /// The first of the files that these parameters name.
    pub fn named_file(&self, params: &[u8]) -> Option<&'static NamedFile> {
        let is_given =
            |name| argument(params, name).is_some_and(|value| !matches!(Head::read(value), Ok((Head::Nil, _))));
        self.touches.files.iter().find(|file| is_given(file.parameter))
    }

    /// Runs the function. Its result is written to the call.
    ///
    /// # Errors
    /// Whatever the caller is to be told.
    pub fn run(&self, call: &mut Call<'_>, params: &[u8]) -> Result<(), CallError> {
        let result = (self.run)(call, params);
        if self.secret {
            wipe_stack();
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::lenient::{Bytes, Integer, Text};
    use serde::Deserialize;

    #[derive(Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Sample<'a> {
        /// What to
        /// do it to.
        #[serde(borrow)]
        data: Bytes<'a>,
        /// How.
        #[serde(borrow, default)]
        how: Option<Text<'a>>,
        /// How often.
        #[serde(default)]
        times: Option<Integer>,
    }
    crate::parameters!(Sample<'_>);

    #[test]
    fn what_touches_files_or_the_network_runs_on_a_worker() {
        const FILES: &[NamedFile] = &[NamedFile { parameter: "file", way_out: "send it", send_content_as: None }];
        let function = || Function::raw("new", "Makes one.", |_, _| Ok(()));
        assert!(!function().wants_worker(b"\x80"));
        assert!(function().touches_files(FILES).wants_worker(b"\x80"));
        assert!(function().touches_network().wants_worker(b"\x80"));
        assert!(function().touches_network().runs(Placement::Inline).wants_worker(b"\x80"));
        let given = || function().runs(Placement::InlineWithout(&["file"]));
        assert!(!given().touches_files(FILES).wants_worker(b"\x80"));
        assert!(
            function()
                .touches_files(FILES)
                .runs(Placement::InlineWithout(&["file"]))
                .wants_worker(b"\x81\xa4file\xa2/x")
        );
    }

    #[test]
    fn what_a_call_may_touch_is_told_by_its_parameters() {
        const FILES: &[NamedFile] =
            &[NamedFile { parameter: "key_file", way_out: "send it", send_content_as: Some("key_file_content") }];
        let function = Function::raw("new", "Makes one.", |_, _| Ok(())).touches_files(FILES);
        assert_eq!(function.touches.word(), "files");
        let named = |params: &[u8]| function.named_file(params).map(|file| file.parameter);
        assert_eq!(named(b"\x81\xa8key_file\xa2/x"), Some("key_file"));
        assert_eq!(named(b"\x81\xa8key_file\xc0"), None);
        assert_eq!(named(b"\x81\xa3key\xa2/x"), None);
        assert_eq!(named(b"\x80"), None);
        let refusal = FILES[0].refusal();
        assert_eq!(refusal.code, Code::Denied);
        assert!(refusal.message.ends_with("opens no files for you; send it"));
        assert_eq!(refusal.data.as_ref().unwrap().send_content_as.as_deref(), Some("key_file_content"));
        assert_eq!(function.touches_network().touches.word(), "files and network");
    }

    #[test]
    fn parameters_describe_themselves() {
        let parameters = describe::<Sample<'static>>();
        let seen: Vec<_> =
            parameters.iter().map(|p| (p.name.as_str(), p.kind.as_str(), p.required, p.doc.as_str())).collect();
        assert_eq!(
            seen,
            [
                ("data", "bytes", true, "What to do it to."),
                ("how", "text", false, "How."),
                ("times", "integer", false, "How often."),
            ]
        );
    }
}
