//! Whether Perl scripts on this host find the client, and what to do if not.

use super::say::say;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Prints version and place of the client; no path if perl does not find it.
const QUESTION: &str =
    r#"print eval { require CPANBridge; "$CPANBridge::VERSION $INC{'CPANBridge.pm'}" } || '', "\n", join "\n", @INC"#;

/// What perl says.
#[derive(Debug, PartialEq)]
enum Answer {
    /// There is no perl.
    NoPerl,
    /// It finds this version of the client here.
    Client { version: String, path: String },
    /// It does not, and looks in these directories.
    NoClient { looks_in: Vec<PathBuf> },
}

/// Says in a line or two what scripts find.
pub fn report() {
    match ask() {
        Answer::NoPerl => say!("  perl     there is no perl in PATH"),
        Answer::Client { version, path } => {
            say!("  perl     finds CPANBridge {version}: {path}");
            let own = version_for_perl(crate::VERSION);
            if version != own {
                say!("           this program came with {own}; install program and client together");
            }
        }
        Answer::NoClient { looks_in } => match find_client() {
            Some(directory) if !looks_in.contains(&directory) => {
                say!("  perl     does not find CPANBridge.pm. It is in a place where perl does not look; for scripts:");
                say!("           export PERL5LIB={}", directory.display());
            }
            _ => {
                say!("  perl     does not find CPANBridge.pm. Install it (make install, or ./setup install), or set");
                say!("           PERL5LIB to the directory that it is in. perl looks in:");
                looks_in.iter().for_each(|directory| say!("             {}", directory.display()));
            }
        },
    }
}

fn ask() -> Answer {
    let output = Command::new("perl").args(["-e", QUESTION]).stdin(Stdio::null()).stderr(Stdio::null()).output();
    output.map_or(Answer::NoPerl, |output| read(&String::from_utf8_lossy(&output.stdout)))
}

fn read(said: &str) -> Answer {
    let mut lines = said.lines();
    match lines.next().and_then(|line| line.split_once(' ')) {
        Some((version, path)) => Answer::Client { version: version.to_owned(), path: path.to_owned() },
        None => Answer::NoClient { looks_in: lines.map(PathBuf::from).collect() },
    }
}

/// Where the client lies, seen from this program: as installed, as unpacked, and in a build of the source.
fn find_client() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    let beside = program.parent()?;
    ["../share/perl5", "../share/perl5/vendor_perl", "../lib/perl5", "perl/lib", "../../perl/lib"]
        .iter()
        .filter_map(|place| beside.join(place).canonicalize().ok())
        .find(|directory: &PathBuf| Path::new(&directory.join("CPANBridge.pm")).is_file())
}

/// A version as Perl's modules have it: one decimal number (0.1.0 is 0.100).
fn version_for_perl(version: &str) -> String {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let mut next = || parts.next().unwrap_or(0);
    format!("{}.{}{:02}", next(), next(), next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_perl_says_is_understood() {
        let found = Answer::Client { version: "0.100".into(), path: "/usr/share/perl5/CPANBridge.pm".into() };
        assert_eq!(read("0.100 /usr/share/perl5/CPANBridge.pm\n/etc/perl\n"), found);
        assert_eq!(read("\n/etc/perl\n/a b"), Answer::NoClient { looks_in: vec!["/etc/perl".into(), "/a b".into()] });
    }

    #[test]
    fn program_and_client_have_the_same_version() {
        let client = include_str!("../../perl/lib/CPANBridge.pm");
        assert!(client.contains(&format!("our $VERSION = '{}';", version_for_perl(crate::VERSION))));
    }
}
