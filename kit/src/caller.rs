//! Who calls.

/// Who calls, by the kernel's word (SO_PEERCRED).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// User id.
    pub uid: u32,
    /// Process id when it connected; 0 if unknown.
    pub pid: i32,
    /// Whether this is the broker's own user or root.
    pub privileged: bool,
    /// Whether files may be opened for him, as the broker's user.
    pub files: bool,
    /// Whether he may reach the network.
    pub network: bool,
}

impl Caller {
    /// The broker's own user, who may do everything.
    pub const fn owner(uid: u32, pid: i32) -> Self {
        Self { uid, pid, privileged: true, files: true, network: true }
    }
}
