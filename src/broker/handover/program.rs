//! The new program: which file it is, whether it can be trusted, trying it out, executing it.

use super::orders::Orders;
use super::{HandoverError, memory};
use crate::broker::process;
use kit::protocol::Buffer;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, FcntlArg, FdFlag, OFlag, fcntl, open};
use nix::sys::stat::{Mode, SFlag, fstat};
use nix::unistd::{Uid, execveat};
use std::ffi::{CString, OsString};
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

/// What a program says that can take over.
pub const READY: &str = "ready to take over";
/// What is kept of what a program says that can't.
const LONGEST_REASON: usize = 2000;

/// How the broker was started, and so how another program in its place is.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The program's file, by the name it had at the start: that is where an update puts the new one.
    pub program: PathBuf,
    /// The directory that relative paths among the arguments start from; `/` where a script stood in one that was removed.
    pub directory: PathBuf,
    /// The command line.
    pub arguments: Vec<OsString>,
    /// What it was told besides by the program that started it.
    pub orders: Orders,
}

impl Origin {
    /// How this process was started.
    ///
    /// # Errors
    /// Those of looking it up.
    pub fn of_this_process(orders: Orders) -> io::Result<Self> {
        let program = process::own_program()?;
        let directory = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
        Ok(Self { program, directory, arguments: Orders::without_flags(std::env::args_os()), orders })
    }

    /// The directory, or `/` if it was removed meanwhile: whether the arguments still lead anywhere is found out by trying.
    fn start_directory(&self) -> &Path {
        if self.directory.is_dir() { &self.directory } else { Path::new("/") }
    }
}

/// A program's file, held open: what is tried out is what is executed, whatever happens to the path meanwhile.
pub struct Program {
    file: OwnedFd,
}

impl Program {
    /// Opens the program that is to take over.
    ///
    /// # Errors
    /// A file that is not there, or that somebody besides root and the broker's own user could have written.
    pub fn open(path: &Path) -> Result<Self, HandoverError> {
        let refuse = |why: String| HandoverError::Program { path: path.display().to_string(), why };
        // Only to execute it: that is allowed also where reading is not.
        let file = open(path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty()).map_err(|error| {
            let hint = match error {
                Errno::ENOENT => "; if it was installed elsewhere, stop this broker: the next script starts that one",
                _ => "",
            };
            refuse(format!("can't be opened: {}{hint}", error.desc()))
        })?;
        let status = fstat(&file).map_err(HandoverError::system("looking at the program"))?;
        if status.st_mode & SFlag::S_IFMT.bits() != SFlag::S_IFREG.bits() {
            return Err(refuse("is no file".to_owned()));
        }
        if status.st_uid != 0 && status.st_uid != Uid::effective().as_raw() {
            return Err(refuse(format!("belongs to user {}, who would get every key", status.st_uid)));
        }
        if status.st_mode & (Mode::S_IWGRP | Mode::S_IWOTH).bits() != 0 {
            return Err(refuse("can be written by others, who would get every key; chmod go-w it".to_owned()));
        }
        Ok(Self { file })
    }

    /// Executes it in place of this program. Returns only if that fails; then everything is as before.
    pub fn execute(&self, origin: &Origin, state: &Buffer, descriptors: &[RawFd]) -> HandoverError {
        match self.try_to_execute(origin, state, descriptors) {
            Ok(never) => match never {},
            Err(error) => error,
        }
    }

    fn try_to_execute(
        &self,
        origin: &Origin,
        state: &Buffer,
        descriptors: &[RawFd],
    ) -> Result<std::convert::Infallible, HandoverError> {
        let memory = memory::seal(state)?;
        let orders = Orders { handover: Some(memory.as_raw_fd()), rehearsal: false, ..origin.orders };
        let environment = orders.added_to(std::env::vars_os()).map(|(mut name, value)| {
            name.push("=");
            name.push(value);
            name
        });
        let (arguments, environment) = (c_strings(origin.arguments.iter().cloned())?, c_strings(environment)?);
        let here = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
        std::env::set_current_dir(origin.start_directory())
            .map_err(HandoverError::system("going to the directory that the broker was started in"))?;
        let inherited = Inherited::new(descriptors.iter().copied().chain([memory.as_raw_fd()]));
        let error = match inherited {
            Ok(_inherited) => execveat(&self.file, c"", &arguments, &environment, AtFlags::AT_EMPTY_PATH)
                .map_err(HandoverError::system("executing the new program")),
            Err(error) => Err(error),
        };
        // Where it was is where nothing depends on, so failing to return there is no reason to end.
        let _ = std::env::set_current_dir(here);
        error
    }
}

fn c_strings(strings: impl IntoIterator<Item = OsString>) -> Result<Vec<CString>, HandoverError> {
    let zero = |_| HandoverError::system("passing on the command line")(io::Error::from(ErrorKind::InvalidInput));
    strings.into_iter().map(|string| CString::new(string.into_vec()).map_err(zero)).collect()
}

/// Descriptors that the next program inherits, unless this is dropped before.
struct Inherited(Vec<RawFd>);

impl Inherited {
    fn new(descriptors: impl IntoIterator<Item = RawFd>) -> Result<Self, HandoverError> {
        let mut inherited = Self(Vec::new());
        for fd in descriptors {
            set_inheritance(fd, FdFlag::empty()).map_err(HandoverError::system("handing on a descriptor"))?;
            inherited.0.push(fd);
        }
        Ok(inherited)
    }
}

impl Drop for Inherited {
    fn drop(&mut self) {
        for &fd in &self.0 {
            let _ = set_inheritance(fd, FdFlag::FD_CLOEXEC);
        }
    }
}

fn set_inheritance(fd: RawFd, flags: FdFlag) -> nix::Result<()> {
    // SAFETY: the descriptors are those of the broker's own sockets and of the memory file, which are open and stay so while
    // the broker is borrowed for the handover.
    let fd = unsafe { BorrowedFd::borrow_raw(fd) };
    fcntl(fd, FcntlArg::F_SETFD(flags)).map(drop)
}

/// A new program on trial.
pub struct Rehearsal {
    child: Child,
    output: File,
    said: Vec<u8>,
}

impl Rehearsal {
    /// Starts it as a child, with a copy of the state.
    ///
    /// # Errors
    /// A program that can't be started.
    pub fn start(program: &Program, origin: &Origin, state: &Buffer) -> Result<Self, HandoverError> {
        let failed = HandoverError::system::<io::Error>;
        let memory = memory::seal(state)?;
        let (output, input) = io::pipe().map_err(failed("making a pipe"))?;
        let errors = input.try_clone().map_err(failed("making a pipe"))?;
        let mut arguments = origin.arguments.iter();
        let mut command = Command::new(format!("/proc/self/fd/{}", program.file.as_raw_fd()));
        let name = arguments.next().cloned().unwrap_or_default();
        let orders = Orders { handover: Some(0), rehearsal: true, ..origin.orders };
        command.arg0(name).args(arguments).env_clear().envs(orders.added_to(std::env::vars_os()));
        command.current_dir(origin.start_directory()).stdin(memory).stdout(input).stderr(errors);
        let child = command.spawn().map_err(|error| HandoverError::Rehearsal(error.to_string()))?;
        let output = File::from(OwnedFd::from(output));
        fcntl(&output, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map_err(HandoverError::system("reading from a pipe"))?;
        Ok(Self { child, output, said: Vec::new() })
    }

    /// The descriptor that becomes readable with what it says.
    pub fn descriptor(&self) -> RawFd {
        self.output.as_raw_fd()
    }

    /// The verdict, once it is there.
    pub fn verdict(&mut self) -> Option<Result<(), HandoverError>> {
        let mut piece = [0; 1024];
        loop {
            match self.output.read(&mut piece) {
                Ok(0) => break,
                Ok(count) => {
                    let room = LONGEST_REASON.saturating_sub(self.said.len());
                    self.said.extend_from_slice(&piece[..count.min(room)]);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Some(Err(HandoverError::system("reading from a pipe")(error))),
            }
        }
        let said = String::from_utf8_lossy(&self.said).trim().replace('\n', "; ");
        // It has let go of the pipe, so there is nothing more to wait for.
        let _ = self.child.kill();
        match self.child.wait() {
            Ok(_) if said == READY => Some(Ok(())),
            Ok(status) if said.is_empty() => Some(Err(HandoverError::Rehearsal(format!("it ended with {status}")))),
            Ok(_) => Some(Err(HandoverError::Rehearsal(said))),
            Err(error) => Some(Err(HandoverError::system("waiting for the new program")(error))),
        }
    }
}

impl Drop for Rehearsal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_program_that_others_can_write_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("program");
        assert!(Program::open(&path).is_err_and(|error| error.to_string().contains("can't be opened")));
        std::fs::write(&path, "").unwrap();
        for (mode, allowed) in [(0o755, true), (0o711, true), (0o775, false), (0o757, false)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(Program::open(&path).is_ok(), allowed, "{mode:o}");
        }
        assert!(Program::open(dir.path()).is_err_and(|error| error.to_string().contains("is no file")));
    }
}
