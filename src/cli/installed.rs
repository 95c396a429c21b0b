//! Whether the program that is installed is still the one that a broker runs.

use super::say::clean_line;
use serde::Deserialize;
use std::os::unix::fs::MetadataExt;

/// The program of a broker, as `system.info` tells of it.
#[derive(Deserialize)]
pub struct Program {
    path: String,
    device: Option<u64>,
    inode: Option<u64>,
}

impl Program {
    /// What to say if another file is at its path by now.
    pub fn replaced(&self) -> Option<String> {
        let path = clean_line(&self.path);
        let Ok(there) = std::fs::metadata(&self.path) else {
            return Some(format!("its program {path} is not there any more: it can't be reloaded until it is"));
        };
        let same = self.device? == there.dev() && self.inode? == there.ino();
        (!same).then(|| {
            format!("{path} was installed anew since the broker started: `cpan-bridge reload` lets it take over")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_took_the_programs_place_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("program");
        std::fs::write(&path, "").unwrap();
        let file = std::fs::metadata(&path).unwrap();
        let text = path.display().to_string();
        let program = Program { path: text.clone(), device: Some(file.dev()), inode: Some(file.ino()) };
        assert_eq!(program.replaced(), None);
        std::fs::write(dir.path().join("new"), "").unwrap();
        std::fs::rename(dir.path().join("new"), &path).unwrap();
        assert!(program.replaced().unwrap().contains("was installed anew"));
        assert_eq!(Program { path: text, device: None, inode: None }.replaced(), None);
        std::fs::remove_file(&path).unwrap();
        assert!(program.replaced().unwrap().contains("is not there any more"));
    }
}
