//! The modules of this program: the one list of them, and those about the broker itself.
//!
//! The others are crates of their own in `modules/`, each behind a cargo feature of its name.

#[cfg(test)]
mod cancelled;
pub mod system;
pub mod test;

use kit::{Module, Registry};
use std::sync::OnceLock;

static OTHERS: OnceLock<&'static [fn() -> Module]> = OnceLock::new();

/// Has every registry of this process hold these modules as well: for programs that are this one and something of their own
/// (`docs/adding-a-module.md`). Only the first call counts.
pub fn add(others: &'static [fn() -> Module]) {
    let _ = OTHERS.set(others);
}

/// Which functions a broker offers beyond the usual ones.
#[derive(Clone, Copy, Debug, Default)]
pub struct Offer {
    /// Adds functions that misbehave on purpose (`test.panic`), for tests of the broker.
    pub faults: bool,
}

/// Every module. Adding one is one line here, and one in `Cargo.toml`.
pub fn registry(offer: Offer) -> Registry {
    let mut modules = vec![
        #[cfg(feature = "crypto")]
        crypto::module(),
        #[cfg(feature = "html")]
        html::module(),
        #[cfg(feature = "http")]
        http_helper::module(),
        system::module(),
        test::module(offer),
    ];
    modules.extend(OTHERS.get().into_iter().flat_map(|others| others.iter()).map(|module| module()));
    Registry::new(crate::VERSION, modules)
}

#[cfg(test)]
mod tests {
    use super::*;
    use kit::FunctionId;
    use kit::protocol::Code;

    #[test]
    fn every_function_is_found_and_described() {
        let registry = registry(Offer { faults: true });
        for (index, method) in registry.methods().iter().enumerate() {
            let id = registry.find(method).unwrap();
            assert_eq!(id, FunctionId(index));
            let function = registry.function(id);
            assert!(function.doc.ends_with('.') && function.doc.len() > 10, "{method} needs a doc line");
            for parameter in &function.parameters {
                assert!(!parameter.doc.is_empty(), "{method}: parameter {} needs a doc", parameter.name);
                assert_ne!(parameter.kind, "unknown", "{method}: parameter {} needs a type", parameter.name);
            }
            let ids = ["cipher_id", "chain_id", "session_id", "stream_id", "body_id"];
            let named = function.parameters.iter().find(|parameter| ids.contains(&parameter.name.as_str()));
            assert_eq!(named.map(|parameter| parameter.name.as_str()), function.handle_parameter, "{method}");
            if let Some(handle) = function.handle_parameter {
                assert!(function.parameters.iter().any(|parameter| parameter.name == handle), "{method}");
            }
        }
    }

    #[test]
    fn unknown_names_are_answered_with_the_nearest() {
        let registry = registry(Offer::default());
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
        let registry = registry(Offer::default());
        assert_eq!(registry.find("http.get").unwrap(), registry.find("http_helper.get").unwrap());
        assert!(registry.has_module("http") && registry.has_module("http_helper") && !registry.has_module("https"));
        assert_eq!(registry.find("http.gett").unwrap_err().code, Code::UnknownFunction);
    }

    #[test]
    fn faults_are_offered_only_where_asked_for() {
        assert!(registry(Offer::default()).find("test.panic").is_err());
        assert!(registry(Offer { faults: true }).find("test.panic").is_ok());
    }
}
