//! Which script a process runs: "perl" names a thousand of them.
//!
//! The name comes from `/proc` (proc(5)), and the process chose it: it says who is worth asking, and proves nothing. Reading
//! another process's command line waits for that process's memory, so the loop leaves it to a thread; and of a guest, who could
//! have it wait for ever, only the name that the kernel keeps is read.

use crate::stats::Script;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

/// Characters of a name that are kept.
const LONGEST: usize = 80;
/// Processes that may wait to be named; of more than that the name is not told.
const WAITING: usize = 256;
/// Programs whose first argument that is no option is the script.
const INTERPRETERS: [&str; 9] = ["perl", "python", "ruby", "sh", "bash", "dash", "ksh", "zsh", "php"];

/// The script that a process runs, else its program; none if the process is gone.
pub fn of_process(pid: i32) -> Option<String> {
    let line = fs::read(format!("/proc/{pid}/cmdline")).ok().filter(|line| !line.is_empty());
    line.map(|line| of_command_line(&line)).filter(|name| !name.is_empty()).or_else(|| kernel_name(pid))
}

/// The name that the kernel keeps for a process, at most 15 bytes: that of a script that was started by its own path.
pub fn kernel_name(pid: i32) -> Option<String> {
    let name = fs::read(format!("/proc/{pid}/comm")).ok()?;
    let name = String::from_utf8_lossy(&name);
    let name = name.trim_end_matches('\n');
    (!name.is_empty()).then(|| name.to_owned())
}

/// The user that a process runs as; none if the process is gone or hidden. Not whose its directory below `/proc` is: that is root for a
/// process that is closed to inspection, as a broker is.
pub fn user(pid: i32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    // Real, effective, saved, file system's.
    line.split_whitespace().nth(1)?.parse().ok()
}

/// The script in a command line: arguments that end with a zero byte each.
fn of_command_line(line: &[u8]) -> String {
    let mut arguments = line.split(|byte| *byte == 0).filter(|argument| !argument.is_empty());
    let Some(program) = arguments.next() else { return String::new() };
    let program = base_name(program);
    let stem = program.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-');
    if !INTERPRETERS.contains(&stem) {
        return short(&program);
    }
    while let Some(argument) = arguments.next() {
        match argument {
            b"--" => return arguments.next().map_or(program, |script| short(&base_name(script))),
            // Its argument is the next one.
            b"-I" | b"-W" | b"-O" | b"-o" => drop(arguments.next()),
            b"-c" => return format!("{program} -c"),
            _ if is_code(argument) => return format!("{program} -e"),
            [b'-', _, ..] => {}
            script => return short(&base_name(script)),
        }
    }
    program
}

/// Whether an option of perl's says that the next argument is the script itself: `-e`, `-E`, and with switches before it, `-wne`.
fn is_code(argument: &[u8]) -> bool {
    let Some((b'-', switches)) = argument.split_first().map(|(first, rest)| (*first, rest)) else { return false };
    let Some((last, before)) = switches.split_last() else { return false };
    matches!(last, b'e' | b'E') && before.iter().all(|byte| b"aclnpswtTuUWX0123456789".contains(byte))
}

fn base_name(path: &[u8]) -> String {
    let path = Path::new(OsStr::from_bytes(path));
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

fn short(name: &str) -> String {
    name.chars().take(LONGEST).collect()
}

/// Finds names out in a thread of its own.
#[derive(Default)]
pub struct Namer {
    // Started when it is first needed.
    thread: Option<SyncSender<(Script, i32)>>,
}

impl Namer {
    /// The script of a process: the kernel's name of it at once, and if it is to be looked at `closely`, that in its command line as
    /// soon as it is known.
    pub fn ask(&mut self, pid: i32, closely: bool) -> Script {
        let script = Script::known_as(kernel_name(pid).unwrap_or_default());
        if closely {
            if self.thread.is_none() {
                self.thread = start();
            }
            if let Some(thread) = &self.thread {
                // Where too many wait the kernel's name has to do.
                let _ = thread.try_send((script.clone(), pid));
            }
        }
        script
    }
}

fn start() -> Option<SyncSender<(Script, i32)>> {
    let (sender, inbox) = sync_channel::<(Script, i32)>(WAITING);
    let thread = thread::Builder::new().name("namer".to_owned()).spawn(move || {
        while let Ok((script, pid)) = inbox.recv() {
            if let Some(name) = of_process(pid) {
                script.found(name);
            }
        }
    });
    thread.ok().map(|_| sender)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(arguments: &[&str]) -> String {
        let line: Vec<u8> = arguments.iter().flat_map(|argument| argument.bytes().chain([0])).collect();
        of_command_line(&line)
    }

    #[test]
    fn the_script_is_what_the_interpreter_runs() {
        for (arguments, name) in [
            (&["/usr/bin/perl", "/opt/jobs/nightly.pl", "--secret=x"][..], "nightly.pl"),
            (&["perl", "-w", "-Ilib", "-I", "inc", "-MCPANBridge", "load.pl"], "load.pl"),
            (&["perl5.36", "--", "-odd.pl"], "-odd.pl"),
            (&["perl", "-we", "print secret()"], "perl -e"),
            (&["perl", "-E", "say 1"], "perl -e"),
            (&["perl", "-MCPANBridge", "-e", "1"], "perl -e"),
            (&["perl"], "perl"),
            (&["/bin/sh", "-c", "secret"], "sh -c"),
            (&["python3.11", "job.py"], "job.py"),
            (&["/usr/local/bin/cpan-bridge", "top"], "cpan-bridge"),
            (&["load: 3 of 9"], "load: 3 of 9"),
            (&[], ""),
        ] {
            assert_eq!(of(arguments), name, "{arguments:?}");
        }
        assert_eq!(of(&["x".repeat(300).as_str()]).len(), LONGEST);
    }

    #[test]
    fn a_process_has_a_user() {
        let own = nix::unistd::Uid::effective().as_raw();
        assert_eq!(user(std::process::id() as i32), Some(own));
        assert_eq!((user(1), user(i32::MAX)), (Some(0), None));
    }

    #[test]
    fn a_process_is_named_and_one_that_is_gone_is_not() {
        let own = std::process::id() as i32;
        let name = of_process(own).unwrap();
        assert!(std::env::current_exe().unwrap().ends_with(&name), "{name}");
        assert!(name.starts_with(&kernel_name(own).unwrap()[..4]));
        assert_eq!((of_process(0), kernel_name(i32::MAX)), (None, None));
        let asked = Namer::default().ask(own, true);
        let begin = std::time::Instant::now();
        while asked.name() != Some(&name) {
            assert!(begin.elapsed().as_secs() < 10, "no name came but {:?}", asked.name());
            std::thread::yield_now();
        }
        assert_eq!(
            Namer::default().ask(own, false).name(),
            kernel_name(own).as_deref(),
            "a guest is not looked at closely"
        );
    }
}
