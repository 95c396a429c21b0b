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

/// Has a write beyond the limit of a file's size (`RLIMIT_FSIZE`) fail, and not end the process with all that it keeps.
pub fn survive_file_limits() {
    // SAFETY: ignoring a signal installs no handler, so no code of ours runs in one. It can't fail for this signal.
    let _ =
        unsafe { nix::sys::signal::signal(nix::sys::signal::Signal::SIGXFSZ, nix::sys::signal::SigHandler::SigIgn) };
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

/// Has the allocator keep to one arena where the address space is limited: it would reserve 64 MiB of it for each thread, and
/// then nothing is left for messages. To be called before any thread is started.
pub fn fit_allocator() {
    #[cfg(target_env = "gnu")]
    if getrlimit(Resource::RLIMIT_AS).is_ok_and(|(soft, _)| soft != libc::RLIM_INFINITY) {
        // SAFETY: mallopt(3) takes two numbers and is safe while there is one thread, which the caller sees to. If it fails
        // the allocator is as it was.
        let _ = unsafe { libc::mallopt(libc::M_ARENA_MAX, 1) };
    }
}

/// Gives memory that was freed, in every arena of the allocator, back to the system.
pub fn trim_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim(3) takes a number, may be called by any thread, and touches only what is free.
    let _ = unsafe { libc::malloc_trim(0) };
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
