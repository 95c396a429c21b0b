//! What one program of ours tells another that it starts: that it is in the background, that it is to take over.
//!
//! It stands in the environment. The command line is what somebody asked for, and what lists of processes show; programs before
//! this one told it there, so it is understood there as well.

use std::ffi::{OsStr, OsString};
use std::os::fd::RawFd;

const DETACHED: Order = Order { variable: "CPAN_BRIDGE_DETACHED", flag: "--detached" };
const HANDOVER: Order = Order { variable: "CPAN_BRIDGE_HANDOVER", flag: "--handover" };
const REHEARSAL: Order = Order { variable: "CPAN_BRIDGE_REHEARSAL", flag: "--rehearsal" };

struct Order {
    variable: &'static str,
    flag: &'static str,
}

/// What this process was told by the program that started it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Orders {
    /// It is in the background: it leads a session of its own and tells on standard output when it listens.
    pub detached: bool,
    /// It takes over what is in the memory file with this descriptor.
    pub handover: Option<RawFd>,
    /// It only finds out whether it could.
    pub rehearsal: bool,
}

impl Orders {
    /// What the environment says.
    pub fn of_environment(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let number = |text: OsString| text.to_str()?.parse().ok().filter(|fd| *fd >= 0);
        Self {
            detached: variable(DETACHED.variable).is_some(),
            handover: variable(HANDOVER.variable).and_then(number),
            rehearsal: variable(REHEARSAL.variable).is_some(),
        }
    }

    /// An environment that says it, and nothing of what was said to this process.
    pub fn added_to(
        self,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> impl Iterator<Item = (OsString, OsString)> {
        let said = |order: Order, value: Option<String>| value.map(|value| (order.variable.into(), value.into()));
        let orders = [
            said(DETACHED, self.detached.then(|| "1".to_owned())),
            said(HANDOVER, self.handover.map(|fd| fd.to_string())),
            said(REHEARSAL, self.rehearsal.then(|| "1".to_owned())),
        ];
        let is_other = |name: &OsStr| [DETACHED, HANDOVER, REHEARSAL].iter().all(|order| name != order.variable);
        environment.into_iter().filter(move |(name, _)| is_other(name)).chain(orders.into_iter().flatten())
    }

    /// A command line without what a program before this one has added to it.
    pub fn without_flags(arguments: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
        let mut own = Vec::new();
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            if argument == HANDOVER.flag {
                arguments.next();
            } else if argument != REHEARSAL.flag && argument != DETACHED.flag {
                own.push(argument);
            }
        }
        own
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_program_says_the_next_one_reads() {
        let before = [("A", "1"), ("CPAN_BRIDGE_HANDOVER", "99"), ("CPAN_BRIDGE_DETACHED", "1")];
        let before = before.map(|(name, value)| (OsString::from(name), OsString::from(value)));
        for orders in [
            Orders::default(),
            Orders { detached: true, handover: Some(7), rehearsal: false },
            Orders { detached: false, handover: Some(0), rehearsal: true },
        ] {
            let environment: Vec<_> = orders.added_to(before.clone()).collect();
            let find = |name: &str| environment.iter().find(|(there, _)| there == name).map(|(_, value)| value.clone());
            assert_eq!(Orders::of_environment(find), orders);
            assert_eq!(find("A"), Some("1".into()));
        }
        let nonsense = |name: &str| (name == "CPAN_BRIDGE_HANDOVER").then(|| OsString::from("-1"));
        assert_eq!(Orders::of_environment(nonsense), Orders::default());
    }

    #[test]
    fn the_command_line_is_what_was_asked_for() {
        let arguments = ["cpan-bridge", "serve", "--handover", "7", "--socket", "s", "--rehearsal", "--detached"]
            .map(OsString::from);
        assert_eq!(Orders::without_flags(arguments), ["cpan-bridge", "serve", "--socket", "s"]);
    }
}
