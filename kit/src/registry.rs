//! Every module of a program, and the way from a method's name to its function.

use crate::function::{Function, Module};
use crate::kind::Movable;
use crate::protocol::error::{CallError, Code, nearest, quote};
use std::collections::HashMap;

/// The number of a function within a [`Registry`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FunctionId(pub usize);

/// Every module there is, and the way from a method's name to its function.
pub struct Registry {
    version: &'static str,
    modules: Vec<Module>,
    functions: Vec<(usize, usize)>,
    by_method: HashMap<String, FunctionId>,
    // `module.function` of every function, in the order of their ids.
    names: Vec<String>,
}

impl Registry {
    /// These modules, of a program of this version.
    pub fn new(version: &'static str, modules: Vec<Module>) -> Self {
        let mut functions = Vec::new();
        let mut by_method = HashMap::new();
        let mut names = Vec::new();
        for (module_index, module) in modules.iter().enumerate() {
            for (function_index, function) in module.functions.iter().enumerate() {
                for name in module.names() {
                    by_method.insert(format!("{name}.{}", function.name), FunctionId(functions.len()));
                }
                functions.push((module_index, function_index));
                names.push(format!("{}.{}", module.name, function.name));
            }
        }
        Self { version, modules, functions, by_method, names }
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
    pub fn kind(&self, name: &str) -> Option<&Movable> {
        self.modules.iter().flat_map(|module| &module.kinds).find(|kind| kind.name == name)
    }

    /// Whether there is a module of that name.
    pub fn has_module(&self, name: &str) -> bool {
        self.module(name).is_some()
    }

    /// The module that is called so.
    pub fn module(&self, name: &str) -> Option<&Module> {
        self.modules.iter().find(|module| module.names().any(|own| own == name))
    }

    fn unknown(&self, method: &str) -> CallError {
        let (module_name, function_name) = method.split_once('.').unwrap_or((method, ""));
        let Some(module) = self.module(module_name) else {
            let names: Vec<&str> = self.modules.iter().map(|module| module.name).collect();
            return self.no_such(Code::UnknownModule, "module", module_name, "", &names);
        };
        let names: Vec<&str> = module.functions.iter().map(|function| function.name).collect();
        self.no_such(Code::UnknownFunction, "function", function_name, &format!(" in module {module_name}"), &names)
    }

    /// The version is said because scripts that are newer than the broker meet this.
    fn no_such(&self, code: Code, what: &str, name: &str, place: &str, existing: &[&str]) -> CallError {
        let hint = match nearest(name, existing.iter().copied()) {
            Some(nearest) => format!("; did you mean `{nearest}`?"),
            None => String::new(),
        };
        // "not allowed" is what scripts of the old daemon look for.
        let message = format!(
            "unknown {what} `{}`{place}: not allowed, as there is none (cpan-bridge {}){hint}",
            quote(name),
            self.version
        );
        CallError::new(code, message).with_available(existing.iter().map(|&name| name.to_owned()).collect())
    }
}
