//! Files on their way to be whole.

use kit::handles::HandleId;
use kit::protocol::error::quote;
use kit::protocol::{CallError, Code};
use net::tls::words;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// A file that is not whole yet. It is gone unless it is finished.
pub struct Part {
    file: File,
    path: PathBuf,
    done: bool,
}

impl Part {
    /// A file beside the target, with these permissions.
    ///
    /// # Errors
    /// `invalid_params` for a target that can't be a file of ours.
    pub fn beside(target: &Path, mode: u32) -> Result<Self, CallError> {
        let failed = |why: String| {
            CallError::invalid("path", format!("Failed to write {}: {why}", quote(&target.display().to_string())))
        };
        let (Some(directory), Some(name)) = (target.parent(), target.file_name()) else {
            return Err(failed("it names no file".to_owned()));
        };
        // A device or a pipe is somebody's: a file in its place would be of no use to anybody.
        match fs::metadata(target) {
            Ok(there) if there.is_dir() => return Err(failed("Is a directory".to_owned())),
            Ok(there) if !there.is_file() => return Err(failed("it is there and no regular file".to_owned())),
            _ => {}
        }
        let unique = HandleId::random()?.to_string();
        let path = directory.join(format!(".{}.{}.part", name.to_string_lossy(), &unique[..8]));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let file = file.map_err(|error| failed(words::of_io(&error)))?;
        let part = Self { file, path, done: false };
        part.file.set_permissions(Permissions::from_mode(mode)).map_err(|error| failed(words::of_io(&error)))?;
        Ok(part)
    }

    /// Adds to it.
    ///
    /// # Errors
    /// `failed`, as for a full disk.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), CallError> {
        self.file.write_all(bytes).map_err(|error| self.failed(&error))
    }

    /// Puts it in the target's place.
    ///
    /// # Errors
    /// `failed`.
    pub fn finish(mut self, target: &Path) -> Result<(), CallError> {
        fs::rename(&self.path, target).map_err(|error| self.failed(&error))?;
        self.done = true;
        Ok(())
    }

    fn failed(&self, error: &std::io::Error) -> CallError {
        CallError::new(
            Code::Failed,
            format!("Failed to write {}: {}", quote(&self.path.display().to_string()), words::of_io(error)),
        )
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.done {
            let _ = fs::remove_file(&self.path);
        }
    }
}
