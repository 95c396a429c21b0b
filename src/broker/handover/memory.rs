//! A file that is only memory and that nobody can change (memfd_create(2), F_ADD_SEALS of fcntl(2)).

use super::HandoverError;
use kit::protocol::Buffer;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;

/// What can't be done to it any more: it can't be written, cut, grown, or unsealed.
fn seals() -> SealFlag {
    SealFlag::F_SEAL_WRITE | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL
}

/// Puts bytes into a sealed memory file.
///
/// # Errors
/// Those of the system, as [`HandoverError::System`].
pub fn seal(bytes: &Buffer) -> Result<OwnedFd, HandoverError> {
    let failed = HandoverError::system("making a memory file");
    let fd = memfd_create(c"cpan-bridge-state", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING).map_err(failed)?;
    let mut file = File::from(fd);
    file.write_all(bytes.as_slice()).map_err(HandoverError::system("writing a memory file"))?;
    fcntl(&file, FcntlArg::F_ADD_SEALS(seals())).map_err(HandoverError::system("sealing a memory file"))?;
    Ok(file.into())
}

/// Reads a sealed memory file. Its bytes are wiped with the buffer.
///
/// # Errors
/// [`HandoverError::Unreadable`] for a file that is not sealed, [`HandoverError::System`].
pub fn read(fd: OwnedFd) -> Result<Buffer, HandoverError> {
    let found =
        fcntl(fd.as_fd(), FcntlArg::F_GET_SEALS).map_err(HandoverError::system("looking at the memory file"))?;
    if SealFlag::from_bits_truncate(found) != seals() {
        return Err(HandoverError::Unreadable("it comes in a file that others may change".to_owned()));
    }
    let file = File::from(fd);
    let length = file.metadata().map_err(HandoverError::system("looking at the memory file"))?.len();
    // At an offset: who wrote it shares the file's position.
    let mut bytes = Buffer::new();
    let mut piece = [0; 64 * 1024];
    while (bytes.len() as u64) < length {
        let count =
            file.read_at(&mut piece, bytes.len() as u64).map_err(HandoverError::system("reading the memory file"))?;
        if count == 0 {
            return Err(HandoverError::Unreadable("it is cut short".to_owned()));
        }
        bytes.push(&piece[..count]);
    }
    kit::protocol::buffer::wipe(&mut piece);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_is_read_back_and_nothing_else() {
        let mut bytes = Buffer::new();
        bytes.push(&vec![7; 200_000]);
        let fd = seal(&bytes).unwrap();
        assert!(File::from(fd.try_clone().unwrap()).write_at(b"x", 0).is_err());
        assert!(File::from(fd.try_clone().unwrap()).set_len(1).is_err());
        assert_eq!(read(fd).unwrap().as_slice(), bytes.as_slice());
        let open = memfd_create(c"open", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING).unwrap();
        assert!(read(open).is_err());
        assert!(read(File::open("/dev/null").unwrap().into()).is_err());
    }
}
