//! What callers can do.
//!
//! A module is a table of functions; a function is a Rust function with typed parameters, a place to run and a word on
//! what it touches. Nothing here sees a socket or the event loop: a function gets a [`Call`] and returns a value.
//! `docs/adding-a-module.md` walks through adding one.

pub mod call;
pub mod cancellation;
pub mod crypto;
pub mod diagnose;
pub mod files;
pub mod function;
pub mod handles;
pub mod host;
pub mod http;
pub mod keep;
pub mod locks;
pub mod openmetrics;
pub mod pieces;
mod random;
pub mod store;
pub mod system;
pub mod test;

pub use call::{Call, Caller};
pub use function::{Function, Module, Parameters, Placement, Touches};
pub use http::limit_sockets;

use crate::protocol::error::{CallError, Code, nearest, quote};
use keep::Kind;
use std::collections::HashMap;

/// Which modules a broker offers beyond the usual ones.
#[derive(Clone, Copy, Debug, Default)]
pub struct Offer {
    /// Adds functions that misbehave on purpose (`test.panic`), for tests of the broker.
    pub faults: bool,
}

/// Other names that modules are called by.
const ALIASES: &[(&str, &str)] = &[("http", "http_helper")];

/// The name that a module has in the tables, given any name that it is called by.
pub fn name_in_tables(name: &str) -> &str {
    ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, name)| name)
}

/// The number of a function within a [`Registry`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FunctionId(pub usize);

/// Every module there is, and the way from a method's name to its function.
pub struct Registry {
    modules: Vec<Module>,
    functions: Vec<(usize, usize)>,
    by_method: HashMap<String, FunctionId>,
    // `module.function` of every function, in the order of their ids.
    names: Vec<String>,
}

impl Registry {
    /// The modules of this program. Adding a module is one line here.
    pub fn new(offer: Offer) -> Self {
        Self::of(vec![crypto::module(), http::module(), system::module(), test::module(offer)])
    }

    fn of(modules: Vec<Module>) -> Self {
        let mut functions = Vec::new();
        let mut by_method = HashMap::new();
        let mut names = Vec::new();
        for (module_index, module) in modules.iter().enumerate() {
            for (function_index, function) in module.functions.iter().enumerate() {
                let aliases = ALIASES.iter().filter(|(_, name)| *name == module.name).map(|(alias, _)| *alias);
                for name in aliases.chain([module.name]) {
                    by_method.insert(format!("{name}.{}", function.name), FunctionId(functions.len()));
                }
                functions.push((module_index, function_index));
                names.push(format!("{}.{}", module.name, function.name));
            }
        }
        Self { modules, functions, by_method, names }
    }

    /// The modules, in alphabetical order.
    pub fn modules(&self) -> &[Module] {
        &self.modules
    }

    /// `module.function` of every function, in the order of their [`FunctionId`]s.
    pub fn methods(&self) -> Vec<String> {
        self.names.clone()
    }

    /// The function that a method names.
    ///
    /// # Errors
    /// `unknown_module` and `unknown_function`, naming the nearest that exists and listing all.
    pub fn find(&self, method: &str) -> Result<FunctionId, CallError> {
        match self.by_method.get(method) {
            Some(&id) => Ok(id),
            None => Err(self.unknown(method)),
        }
    }

    /// As [`Registry::find`], for who probably means the same function as last time.
    ///
    /// # Errors
    /// Those of `find`.
    #[inline]
    pub fn find_again(&self, method: &str, last: Option<FunctionId>) -> Result<FunctionId, CallError> {
        match last {
            // Comparing with one name takes less than hashing.
            Some(function) if self.name(last) == method => Ok(function),
            _ => self.find(method),
        }
    }

    /// The name of a function that was found before; empty for none.
    #[inline]
    pub fn name(&self, function: Option<FunctionId>) -> &str {
        function.and_then(|FunctionId(id)| self.names.get(id)).map_or("", String::as_str)
    }

    /// The function of an id that [`Registry::find`] gave.
    pub fn function(&self, FunctionId(id): FunctionId) -> &Function {
        let (module, function) = self.functions[id];
        &self.modules[module].functions[function]
    }

    /// The kind of that name, if handles of it can move to another program.
    pub fn kind(&self, name: &str) -> Option<&Kind> {
        self.modules.iter().flat_map(|module| module.kinds).find(|kind| kind.name == name)
    }

    /// Whether there is a module of that name.
    pub fn has_module(&self, name: &str) -> bool {
        let name = name_in_tables(name);
        self.modules.iter().any(|module| module.name == name)
    }

    fn unknown(&self, method: &str) -> CallError {
        let (module_name, function_name) = method.split_once('.').unwrap_or((method, ""));
        let real_name = name_in_tables(module_name);
        let Some(module) = self.modules.iter().find(|module| module.name == real_name) else {
            let names: Vec<&str> = self.modules.iter().map(|module| module.name).collect();
            return unknown(Code::UnknownModule, "module", module_name, "", &names);
        };
        let names: Vec<&str> = module.functions.iter().map(|function| function.name).collect();
        unknown(Code::UnknownFunction, "function", function_name, &format!(" in module {module_name}"), &names)
    }
}

/// The version is said because scripts that are newer than the broker meet this.
fn unknown(code: Code, what: &str, name: &str, place: &str, existing: &[&str]) -> CallError {
    let hint = match nearest(name, existing.iter().copied()) {
        Some(nearest) => format!("; did you mean `{nearest}`?"),
        None => String::new(),
    };
    // "not allowed" is what scripts of the old daemon look for.
    let message = format!(
        "unknown {what} `{}`{place}: not allowed, as there is none (cpan-bridge {}){hint}",
        quote(name),
        crate::VERSION
    );
    CallError::new(code, message).with_available(existing.iter().map(|&name| name.to_owned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_is_found_and_described() {
        let registry = Registry::new(Offer { faults: true });
        for (index, method) in registry.methods().iter().enumerate() {
            let id = registry.find(method).unwrap();
            assert_eq!(id, FunctionId(index));
            let function = registry.function(id);
            assert!(function.doc.ends_with('.') && function.doc.len() > 10, "{method} needs a doc line");
            for parameter in &function.parameters {
                assert!(!parameter.doc.is_empty(), "{method}: parameter {} needs a doc", parameter.name);
                assert_ne!(parameter.kind, "unknown", "{method}: parameter {} needs a type", parameter.name);
            }
            if let Some(handle) = function.handle_parameter {
                assert!(function.parameters.iter().any(|parameter| parameter.name == handle), "{method}");
            }
        }
    }

    #[test]
    fn unknown_names_are_answered_with_the_nearest() {
        let registry = Registry::new(Offer::default());
        let error = registry.find("crypt.new").unwrap_err();
        assert_eq!(error.code, Code::UnknownModule);
        assert!(error.message.contains("did you mean `crypto`?"), "{}", error.message);
        let error = registry.find("crypto.encypt").unwrap_err();
        assert_eq!(error.code, Code::UnknownFunction);
        assert!(error.message.contains("did you mean `encrypt`?"), "{}", error.message);
        assert!(error.data.as_ref().unwrap().available.as_ref().unwrap().contains(&"decrypt".to_owned()));
        for odd in ["", ".", "crypto", "crypto.", ".new", "a.b.c"] {
            assert!(registry.find(odd).is_err());
        }
    }

    #[test]
    fn a_module_may_have_another_name() {
        let registry = Registry::new(Offer::default());
        assert_eq!(registry.find("http.get").unwrap(), registry.find("http_helper.get").unwrap());
        assert!(registry.has_module("http") && registry.has_module("http_helper") && !registry.has_module("https"));
        assert_eq!(registry.find("http.gett").unwrap_err().code, Code::UnknownFunction);
    }

    #[test]
    fn faults_are_offered_only_where_asked_for() {
        assert!(Registry::new(Offer::default()).find("test.panic").is_err());
        assert!(Registry::new(Offer { faults: true }).find("test.panic").is_ok());
    }
}
