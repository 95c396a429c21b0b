//! What the process may do and uses: limits, flags, figures.

use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage, setrlimit};
use nix::sys::stat::{Mode, umask};
use nix::sys::time::TimeValLike;
use nix::unistd::{SysconfVar, sysconf};
use std::ffi::CString;
use std::fs;
use std::io;
use std::path::Path;

/// Makes the process one that keeps its secrets: no core dump, no reading of its memory by its own user, no new
/// privileges by a program it might start, no file that others can read.
///
/// # Errors
/// Those of `prctl(2)`.
pub fn harden() -> io::Result<()> {
    nix::sys::prctl::set_dumpable(false)?;
    nix::sys::prctl::set_no_new_privs()?;
    umask(Mode::from_bits_truncate(0o077));
    Ok(())
}

/// Gives the process the name of its program, as it has it when it is started by its path: programs that are executed by a
/// descriptor have its number for a name.
pub fn set_name(program: &Path) {
    let name = program.file_name().map(|name| name.as_encoded_bytes()).unwrap_or_default();
    if let Ok(name) = CString::new(name) {
        // It only matters to those who look at lists of processes.
        let _ = nix::sys::prctl::set_name(&name);
    }
}

/// Raises the limit of open descriptors as far as it goes. Returns the limit then in force.
///
/// # Errors
/// Those of `getrlimit(2)`; a limit that can't be raised stays as it is.
pub fn raise_descriptor_limit() -> io::Result<u64> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    match setrlimit(Resource::RLIMIT_NOFILE, hard, hard) {
        Ok(()) => Ok(hard),
        Err(_) => Ok(soft),
    }
}

/// Resident memory in bytes: now and at its most.
pub fn memory() -> (u64, u64) {
    let page = sysconf(SysconfVar::PAGE_SIZE).ok().flatten().and_then(|size| u64::try_from(size).ok()).unwrap_or(4096);
    let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let resident = statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * page;
    let peak = getrusage(UsageWho::RUSAGE_SELF).map_or(0, |usage| u64::try_from(usage.max_rss()).unwrap_or(0) * 1024);
    (resident, peak.max(resident))
}

/// CPU time used so far, in seconds.
pub fn cpu_seconds() -> f64 {
    getrusage(UsageWho::RUSAGE_SELF).map_or(0.0, |usage| {
        (usage.user_time().num_microseconds() + usage.system_time().num_microseconds()) as f64 / 1e6
    })
}

/// How many descriptors are open.
pub fn open_descriptors() -> u64 {
    const DIRECTORY: &str = "/proc/self/fd";
    // Since Linux 6.2 the directory's size is the number; before that it has to be walked.
    match fs::metadata(DIRECTORY).map(|metadata| metadata.len()) {
        Ok(count) if count > 0 => count,
        _ => fs::read_dir(DIRECTORY).map_or(0, |entries| entries.count() as u64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_those_of_a_running_process() {
        let (resident, peak) = memory();
        assert!(resident > 100_000 && peak >= resident, "{resident} {peak}");
        assert!(open_descriptors() >= 3);
        let before = cpu_seconds();
        let mut sum = 0_u64;
        while cpu_seconds() <= before {
            sum = std::hint::black_box(sum + 1);
        }
    }
}
