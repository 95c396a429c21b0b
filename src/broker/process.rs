//! What the process may do and uses: limits, flags, figures.

use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage, setrlimit};
use nix::sys::stat::{Mode, umask};
use nix::sys::time::TimeValLike;
use nix::unistd::{SysconfVar, sysconf};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::fd::RawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

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

/// Has a write beyond the limit of a file's size (`RLIMIT_FSIZE`) fail, and not end the process with all that it keeps.
pub fn survive_file_limits() {
    // SAFETY: ignoring a signal installs no handler, so no code of ours runs in one. It can't fail for this signal.
    let _ =
        unsafe { nix::sys::signal::signal(nix::sys::signal::Signal::SIGXFSZ, nix::sys::signal::SigHandler::SigIgn) };
}

/// Gives the process the name by which `ps`, `pgrep` and `pidof` look for it: a program that is executed by a descriptor has
/// its number for a name, and one that is executed by `/proc/self/exe` is called `exe`.
pub fn take_name() {
    // It only matters to those who look at lists of processes.
    let _ = nix::sys::prctl::set_name(c"cpan-bridge");
}

/// The file of the program that runs, by the name it had when it was started.
///
/// # Errors
/// A host without `/proc`, and those of looking it up.
pub fn own_program() -> io::Result<PathBuf> {
    let unknown =
        |error: io::Error| io::Error::new(error.kind(), format!("can't find out which program this is: {error}"));
    let program = std::env::current_exe().map_err(unknown)?;
    // What the kernel says of a file that was replaced between the start and now. The new one has the old name.
    match program.as_os_str().as_bytes().strip_suffix(b" (deleted)") {
        Some(name) => Ok(PathBuf::from(OsStr::from_bytes(name))),
        None => Ok(program),
    }
}

/// Device and number of the program's file that runs; none on a host without `/proc`.
pub fn own_file() -> Option<(u64, u64)> {
    let file = fs::metadata("/proc/self/exe").ok()?;
    Some((file.dev(), file.ino()))
}

/// Closes every descriptor that was inherited except for the standard ones and this one: the lock that a script was started under
/// and the pipe that somebody waits on would be held for as long as the broker lives. To be called before anything is opened.
pub fn close_inherited(kept: Option<RawFd>) {
    const FIRST: RawFd = 3;
    match kept.filter(|kept| *kept >= FIRST) {
        Some(kept) => {
            close_range(FIRST, kept - 1);
            close_range(kept.saturating_add(1), RawFd::MAX);
        }
        None => close_range(FIRST, RawFd::MAX),
    }
}

/// Closes the descriptors from `first` to `last`.
fn close_range(first: RawFd, last: RawFd) {
    if first > last {
        return;
    }
    // SAFETY: the call takes three numbers. The descriptors are nobody's in this program: it has opened none yet.
    if unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) } == 0 {
        return;
    }
    // Kernels before 5.9 do not have it, and some containers forbid it.
    for fd in open_within(first, last) {
        // SAFETY: as above; one that is not open is left alone by the kernel.
        let _ = unsafe { libc::close(fd) };
    }
}

/// The descriptors from `first` to `last` that are open, or may be.
fn open_within(first: RawFd, last: RawFd) -> Vec<RawFd> {
    /// Where nobody says which are open, no more are tried: the limit can be a thousand million.
    const MOST: u64 = 1 << 16;
    if let Ok(entries) = fs::read_dir("/proc/self/fd") {
        let numbers = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        return numbers.filter(|fd| (first..=last).contains(fd)).collect();
    }
    let limit = getrlimit(Resource::RLIMIT_NOFILE).map_or(MOST, |(_, hard)| hard.min(MOST));
    (first..=last.min(RawFd::try_from(limit).unwrap_or(RawFd::MAX))).collect()
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

/// How much memory the process may have.
#[derive(Debug, PartialEq, Eq)]
pub struct MemoryLimit {
    /// Bytes.
    pub bytes: u64,
    /// Bytes of them that are in use.
    pub used: u64,
    /// Who set the limit.
    pub what: &'static str,
    /// Whether memory counts that is reserved and not used, such as stacks.
    pub counts_address_space: bool,
}

/// The limit that leaves least: of the address space (RLIMIT_AS), of data (RLIMIT_DATA), of the control group. None where
/// there is none.
pub fn memory_limit() -> Option<MemoryLimit> {
    let (resident, _) = memory();
    let of_process = |resource, what, used, counts_address_space| {
        let (soft, _) = getrlimit(resource).ok()?;
        let bytes = Some(soft).filter(|soft| *soft != libc::RLIM_INFINITY)?;
        Some(MemoryLimit { bytes, used, what, counts_address_space })
    };
    let group = fs::read_to_string("/proc/self/cgroup").ok();
    let group = group.and_then(|group| group_limit(&group, Path::new("/sys/fs/cgroup")));
    [
        of_process(Resource::RLIMIT_AS, "RLIMIT_AS", statm(0), true),
        // Stacks count as data, as far as they are mapped for writing, and they are as a whole.
        of_process(Resource::RLIMIT_DATA, "RLIMIT_DATA", statm(5), true),
        group.map(|bytes| MemoryLimit { bytes, used: resident, what: "control group", counts_address_space: false }),
    ]
    .into_iter()
    .flatten()
    .min_by_key(|limit| limit.bytes.saturating_sub(limit.used))
}

/// The memory limit of a control group and of all that it is in: `groups` is what `/proc/self/cgroup` says (cgroups(7)), of
/// version 2 and 1.
fn group_limit(groups: &str, root: &Path) -> Option<u64> {
    let limits = groups.lines().flat_map(|line| {
        let mut fields = line.splitn(3, ':');
        let (_, controllers, path) = (fields.next(), fields.next().unwrap_or_default(), fields.next().unwrap_or("/"));
        let (top, file) = match controllers {
            "" => (root.to_owned(), "memory.max"),
            names if names.split(',').any(|name| name == "memory") => (root.join("memory"), "memory.limit_in_bytes"),
            _ => return Vec::new(),
        };
        // Within a container the path may be one that is not seen from here; then the top is what counts.
        let own = top.join(path.trim_start_matches('/'));
        let read = |directory: &Path| fs::read_to_string(directory.join(file)).ok()?.trim().parse::<u64>().ok();
        own.ancestors().take_while(|directory| directory.starts_with(&top)).filter_map(read).collect()
    });
    limits.min()
}

/// A figure of `/proc/self/statm` (proc(5)) in bytes: 0 all, 1 resident, 5 data and stacks.
fn statm(field: usize) -> u64 {
    let page = sysconf(SysconfVar::PAGE_SIZE).ok().flatten().and_then(|size| u64::try_from(size).ok()).unwrap_or(4096);
    let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(field).and_then(|pages| pages.trim().parse::<u64>().ok()).unwrap_or(0) * page
}

/// Resident memory in bytes: now and at its most.
pub fn memory() -> (u64, u64) {
    let resident = statm(1);
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

    #[test]
    fn open_descriptors_are_found_between_two_numbers() {
        let file = std::fs::File::open("/dev/null").unwrap();
        let fd = std::os::fd::AsRawFd::as_raw_fd(&file);
        assert!(open_within(3, RawFd::MAX).contains(&fd));
        assert!(!open_within(3, fd - 1).contains(&fd) && !open_within(fd + 1, RawFd::MAX).contains(&fd));
        assert!(own_program().unwrap().is_absolute() && own_file().is_some());
    }

    #[test]
    fn the_limit_of_a_control_group_is_the_least_of_all_that_it_is_in() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("memory.max", "max\n");
        write("a/memory.max", "1000\n");
        write("a/b/memory.max", "2000\n");
        write("memory/memory.limit_in_bytes", "9223372036854771712\n");
        write("memory/x/memory.limit_in_bytes", "500\n");
        let limit = |groups: &str| group_limit(groups, root.path());
        assert_eq!(limit("0::/a/b\n"), Some(1000));
        assert_eq!(limit("0::/\n"), None);
        assert_eq!(limit("0::/not/seen/from/here\n"), None);
        assert_eq!(limit("4:cpu,cpuacct:/a\n3:memory:/x\n1:name=systemd:/a/b\n"), Some(500));
        assert_eq!(limit("3:memory:/elsewhere\n"), Some(9_223_372_036_854_771_712));
        assert_eq!(limit("nonsense\n::\n\n"), None);
    }
}
