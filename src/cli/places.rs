//! Where a broker may be that nobody named: the places where the Perl client looks too (`docs/protocol.md`).
//!
//! Anybody can make a directory in /tmp, and a socket in it that keys would be sent to. So a place counts only below a
//! directory that is ours or root's and nobody else's to write; one that is not there is not tried, and one that somebody else
//! has taken is named, with what to do. Where the usual place in /tmp is taken, a broker of one's own is in a directory of
//! another name, which has to be ours.

use crate::broker;
use crate::config::{default_socket, login_directory, private_socket, runtime_directory};
use kit::handles::HandleId;
use nix::unistd::Uid;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// The directory of the broker that runs for the whole host. Only root can make it.
const HOST: &str = "/run/cpan-bridge";
/// Characters behind the user's number in the name of a directory that stands in for the usual one in /tmp.
const SUFFIX: usize = 8;

/// What a directory is worth as a place for a broker of ours.
#[derive(Debug, PartialEq, Eq)]
pub enum Worth {
    /// Nobody else can put anything there.
    Ours,
    /// It is not there.
    Absent,
    /// It is somebody else's: this user's.
    Taken(u32),
    /// It is of no use, and why.
    Useless(String),
}

/// What a directory is worth.
pub fn judge(directory: &Path) -> Worth {
    judge_for(directory, Uid::effective().as_raw())
}

/// What it is worth to somebody who trusts this user.
fn judge_for(directory: &Path, trusted: u32) -> Worth {
    let metadata = match fs::symlink_metadata(directory) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Worth::Absent,
        Err(error) => return Worth::Useless(format!("it can't be looked at ({error})")),
    };
    if directory == Path::new(HOST) {
        // Below a directory of root's, so it is whose root made it.
        return if metadata.is_dir() { Worth::Ours } else { Worth::Useless("it is no directory".to_owned()) };
    }
    if ![trusted, 0].contains(&metadata.uid()) {
        return Worth::Taken(metadata.uid());
    }
    if !metadata.is_dir() {
        return Worth::Useless("it is no directory of its own".to_owned());
    }
    let mode = metadata.mode() & 0o7777;
    if mode & 0o022 != 0 {
        return Worth::Useless(format!("others can write to it (mode {mode:04o}); `chmod go-w` it"));
    }
    Worth::Ours
}

/// The user whose broker the host's own socket is: the owner of its directory, if `socket` is that socket.
pub fn host_user(socket: &Path) -> Option<u32> {
    if socket != Path::new(HOST).join("broker.sock") {
        return None;
    }
    let is_safe = |metadata: &fs::Metadata| metadata.is_dir() && metadata.mode() & 0o022 == 0;
    let above = fs::symlink_metadata("/run").ok()?;
    let directory = fs::symlink_metadata(HOST).ok()?;
    (above.uid() == 0 && is_safe(&above) && is_safe(&directory)).then(|| directory.uid())
}

/// Where a broker is, or would be.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The socket.
    pub socket: PathBuf,
    /// Whether something is there to connect to.
    pub is_there: bool,
    /// Places that were not tried, each with the reason and what to do.
    pub untried: Vec<String>,
}

/// Looks for a broker that nobody named. `listens` says whether one that may be asked listens there; asking costs the broker a
/// connection, so it is asked only if there is a choice.
pub fn find(listens: impl Fn(&Path) -> bool) -> Found {
    let host = Path::new(HOST).join("broker.sock");
    let (runtime, unusable) = match runtime_directory() {
        Ok(directory) => (directory, None),
        Err(why) => (None, Some(format!("{why}, so nothing in it is asked"))),
    };
    let mut places: Vec<PathBuf> = runtime.into_iter().chain([login_directory()]).map(below).collect();
    places.dedup();
    let private = private_socket();
    places.push(private.clone());
    if is_taken(&private) {
        places.extend(stand_ins().into_iter().map(|directory| directory.join("broker.sock")));
    }
    places.push(host);
    let mut found = choose(&places, listens);
    found.untried.extend(unusable);
    if !found.is_there {
        // Where one would be, if it is no place that somebody else has taken.
        let usual = default_socket();
        if !is_taken(&usual) {
            found.socket = usual;
        }
    }
    found
}

/// The broker of a user whom somebody named, if it is at one of that user's usual places. Another user's place is trusted as
/// far as the user is.
pub fn of_user(uid: u32) -> Option<PathBuf> {
    let host = Path::new(HOST).join("broker.sock");
    of_user_in(Path::new("/run/user"), Path::new("/tmp"), uid)
        .or_else(|| (host_user(&host) == Some(uid) && is_socket(&host)).then_some(host))
}

/// The directories that a user's broker may be in, that of a login first, then the one where a script would start it.
pub fn directories_of(uid: u32) -> [PathBuf; 2] {
    directories_in(Path::new("/run/user"), Path::new("/tmp"), uid)
}

fn directories_in(login: &Path, temporary: &Path, uid: u32) -> [PathBuf; 2] {
    [login.join(uid.to_string()).join("cpan-bridge"), temporary.join(format!("cpan-bridge-{uid}"))]
}

fn of_user_in(login: &Path, temporary: &Path, uid: u32) -> Option<PathBuf> {
    let [at_login, usual] = directories_in(login, temporary, uid);
    let stand_ins = stand_ins_of(&usual, uid);
    let directories = [at_login, usual].into_iter().chain(stand_ins);
    let sockets = directories.filter(|directory| judge_for(directory, uid) == Worth::Ours);
    sockets.map(|directory| directory.join("broker.sock")).find(|socket| is_socket(socket))
}

fn below(directory: PathBuf) -> PathBuf {
    directory.join("cpan-bridge/broker.sock")
}

fn choose(places: &[PathBuf], listens: impl Fn(&Path) -> bool) -> Found {
    let (mut usable, mut untried) = (Vec::new(), Vec::new());
    for place in places {
        let Some(directory) = place.parent() else { continue };
        match judge(directory) {
            Worth::Ours => usable.push(place),
            Worth::Absent => {}
            Worth::Taken(uid) => untried.push(format!(
                "{} belongs to user {}, so nothing in it is asked; have it removed, or name a socket elsewhere with --socket",
                directory.display(),
                broker::user_name(uid)
            )),
            Worth::Useless(why) => untried.push(format!("{}: {why}, so nothing in it is asked", directory.display())),
        }
    }
    let there: Vec<&PathBuf> = usable.iter().copied().filter(|place| is_socket(place)).collect();
    let chosen = match there.as_slice() {
        [] => None,
        [one] => Some(*one),
        several => several.iter().copied().find(|place| listens(place)).or(several.first().copied()),
    };
    let is_there = chosen.is_some();
    // The one to name where there is none: where one would be, which is no place that somebody else has taken.
    let absent =
        || places.iter().find(|place| place.parent().is_some_and(|directory| judge(directory) == Worth::Absent));
    let socket = chosen.or_else(|| usable.first().copied()).or_else(absent).or(places.first());
    Found { socket: socket.cloned().unwrap_or_default(), is_there, untried }
}

fn is_socket(path: &Path) -> bool {
    // A place that can't be looked into is worth naming in the message.
    match fs::symlink_metadata(path) {
        Ok(metadata) => metadata.file_type().is_socket(),
        Err(error) => error.kind() == io::ErrorKind::PermissionDenied,
    }
}

fn is_taken(socket: &Path) -> bool {
    socket.parent().is_some_and(|directory| matches!(judge(directory), Worth::Taken(_)))
}

/// Directories that stand in for the usual one in /tmp, lexically first first.
fn stand_ins() -> Vec<PathBuf> {
    let private = private_socket();
    let Some(usual) = private.parent() else { return Vec::new() };
    stand_ins_of(usual, Uid::effective().as_raw())
}

fn stand_ins_of(usual: &Path, uid: u32) -> Vec<PathBuf> {
    let (Some(parent), Some(name)) = (usual.parent(), usual.file_name().and_then(|name| name.to_str())) else {
        return Vec::new();
    };
    let is_one = |candidate: &str| {
        let suffix = candidate.strip_prefix(name).and_then(|rest| rest.strip_prefix('-'));
        suffix.is_some_and(|suffix| {
            suffix.len() == SUFFIX && suffix.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        })
    };
    let own = |path: &PathBuf| {
        judge_for(path, uid) == Worth::Ours && fs::symlink_metadata(path).is_ok_and(|metadata| metadata.uid() == uid)
    };
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries
        .filter(|entry| entry.file_name().to_str().is_some_and(is_one))
        .map(|entry| entry.path())
        .filter(own)
        .collect();
    found.sort();
    found
}

/// Where a broker listens that was not told where: the usual place, unless that is in /tmp and somebody else has taken it; then a
/// directory that stands in for it, made if there is none. With the place that is taken, and by whom.
///
/// # Errors
/// A directory that can't be made.
pub fn to_listen() -> io::Result<(PathBuf, Option<(PathBuf, u32)>)> {
    let (socket, private) = (default_socket(), private_socket());
    let Some(usual) = private.parent().filter(|_| socket == private) else { return Ok((socket, None)) };
    let Worth::Taken(uid) = judge(usual) else { return Ok((socket, None)) };
    let directory = match stand_ins_of(usual, Uid::effective().as_raw()).into_iter().next() {
        Some(directory) => directory,
        None => make_stand_in(usual)?,
    };
    Ok((directory.join("broker.sock"), Some((usual.to_owned(), uid))))
}

fn make_stand_in(usual: &Path) -> io::Result<PathBuf> {
    loop {
        let random = HandleId::random().map_err(|error| io::Error::other(error.to_string()))?.to_string();
        let mut name = usual.as_os_str().to_owned();
        name.push(format!("-{}", &random[..SUFFIX]));
        let directory = PathBuf::from(name);
        // It fails if there is anything of that name, a link included.
        match DirBuilder::new().mode(0o700).create(&directory) {
            Ok(()) => return Ok(directory),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(io::Error::new(error.kind(), format!("{}: {error}", directory.display()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::{UnixListener, UnixStream};

    fn listens(path: &Path) -> bool {
        UnixStream::connect(path).is_ok()
    }

    fn places(dir: &Path, names: &[&str]) -> Vec<PathBuf> {
        names.iter().map(|name| dir.join(name).join("broker.sock")).collect()
    }

    #[test]
    fn only_a_socket_in_a_directory_of_ones_own_counts() {
        let dir = tempfile::tempdir().unwrap();
        let places = places(dir.path(), &["one", "two", "three"]);
        let find = || choose(&places, listens);
        assert_eq!(find(), Found { socket: places[0].clone(), is_there: false, untried: Vec::new() });
        for place in &places[1..] {
            fs::create_dir(place.parent().unwrap()).unwrap();
        }
        fs::write(&places[1], "").unwrap();
        assert!(!find().is_there, "a file");
        fs::remove_file(&places[1]).unwrap();
        drop(UnixListener::bind(&places[1]).unwrap());
        assert_eq!((find().socket, find().is_there), (places[1].clone(), true));
        let _listening = UnixListener::bind(&places[2]).unwrap();
        assert_eq!(find().socket, places[2], "one that listens comes before one that was left behind");
        let third = places[2].parent().unwrap();
        fs::set_permissions(third, fs::Permissions::from_mode(0o777)).unwrap();
        let found = find();
        assert_eq!(found.socket, places[1], "anybody can put another in its place");
        assert!(found.untried[0].contains("others can write to it (mode 0777)"), "{found:?}");
    }

    #[test]
    fn a_place_that_another_has_taken_is_named_and_never_the_answer() {
        if !Uid::effective().is_root() {
            eprintln!("skipped: giving a directory to another user takes root");
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let places = places(dir.path(), &["taken", "absent"]);
        let taken = places[0].parent().unwrap();
        fs::create_dir(taken).unwrap();
        let _theirs = UnixListener::bind(&places[0]).unwrap();
        std::os::unix::fs::chown(taken, Some(65_534), None).unwrap();
        assert_eq!(judge(taken), Worth::Taken(65_534));
        let found = choose(&places, listens);
        assert!(!found.is_there && found.socket == places[1], "{found:?}");
        assert!(found.untried[0].contains("65534") && found.untried[0].contains("--socket"), "{found:?}");
        // A link of theirs is theirs, wherever it leads.
        std::os::unix::fs::symlink("/root", dir.path().join("link")).unwrap();
        std::os::unix::fs::lchown(dir.path().join("link"), Some(65_534), None).unwrap();
        assert_eq!(judge(&dir.path().join("link")), Worth::Taken(65_534));
    }

    #[test]
    fn a_directory_stands_in_for_the_usual_one() {
        let dir = tempfile::tempdir().unwrap();
        let usual = dir.path().join("cpan-bridge-7");
        let made = make_stand_in(&usual).unwrap();
        assert_eq!(fs::metadata(&made).unwrap().mode() & 0o7777, 0o700);
        for name in
            ["cpan-bridge-7-toolong00", "cpan-bridge-7-short", "cpan-bridge-77-abcdefgh", "cpan-bridge-7-ab.defgh"]
        {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        let open = dir.path().join("cpan-bridge-7-00000000");
        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
        let own = Uid::effective().as_raw();
        assert_eq!(stand_ins_of(&usual, own), std::slice::from_ref(&made));
        let first = dir.path().join("cpan-bridge-7-00000001");
        fs::create_dir(&first).unwrap();
        fs::set_permissions(&first, fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(stand_ins_of(&usual, own), [first, made]);
        assert!(stand_ins_of(&usual, own + 1).is_empty());
    }

    #[test]
    fn a_named_users_broker_is_looked_for_where_theirs_are() {
        let dir = tempfile::tempdir().unwrap();
        let own = Uid::effective().as_raw();
        let find = |uid| of_user_in(&dir.path().join("run"), dir.path(), uid);
        assert_eq!(find(own), None);
        let listen = |directory: PathBuf| {
            fs::create_dir_all(&directory).unwrap();
            fs::set_permissions(&directory, fs::Permissions::from_mode(0o700)).unwrap();
            let socket = directory.join("broker.sock");
            drop(UnixListener::bind(&socket).unwrap());
            socket
        };
        let stand_in = listen(dir.path().join(format!("cpan-bridge-{own}-abcdefgh")));
        assert_eq!(find(own), Some(stand_in));
        let login = listen(dir.path().join(format!("run/{own}/cpan-bridge")));
        assert_eq!(find(own), Some(login));
        // A place of that name which somebody else has made is not theirs.
        listen(dir.path().join("cpan-bridge-4000000000"));
        if own != 0 {
            assert_eq!(find(4_000_000_000), None);
        }
    }
}
