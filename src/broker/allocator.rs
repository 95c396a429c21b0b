//! glibc's allocator (malloc(3), mallopt(3)): how long it keeps what was freed.
//!
//! Each thread has an arena of its own, and an arena keeps all that lies below its last small block that is in use, and above
//! that what a threshold lets it keep. While there is work that is as it should be: memory that goes back to the system and comes
//! again costs a page fault for every 4 KiB. So the threshold is high in between, and when work has paused all goes back.
//! malloc_trim(3) does that but for the top of every arena other than the first, which shrinks only when its own thread frees a
//! block of 64 KiB or more: hence [`trim_own_arena`].
//!
//! With another C library all of this does nothing.

#![cfg_attr(not(target_env = "gnu"), allow(dead_code, unused_imports))]

use nix::sys::resource::{Resource, getrlimit};

/// Where glibc's own thresholds, which grow with the blocks that are freed, end (M_MMAP_THRESHOLD's greatest, and twice that).
const LARGE_BLOCK: libc::c_int = 32 << 20;
const KEPT_ON_TOP: libc::c_int = 2 * LARGE_BLOCK;
/// What an arena may keep at its end when all is to go back.
const LEFT_ON_TOP: libc::c_int = 128 << 10;
/// A block whose freeing has an arena look at its end: above FASTBIN_CONSOLIDATION_THRESHOLD of glibc's malloc.c.
const POKE: usize = 96 << 10;

/// Sets the allocator up, before any thread is started. Where the address space is limited it keeps to one arena: it would
/// reserve 64 MiB of it for each thread, and then nothing is left for messages.
pub fn fit() {
    #[cfg(target_env = "gnu")]
    {
        set(libc::M_MMAP_THRESHOLD, LARGE_BLOCK);
        if getrlimit(Resource::RLIMIT_AS).is_ok_and(|(soft, _)| soft != libc::RLIM_INFINITY) {
            set(libc::M_ARENA_MAX, 1);
        }
    }
    keep();
}

/// Has arenas keep what is freed, for the calls that come next.
pub fn keep() {
    #[cfg(target_env = "gnu")]
    set(libc::M_TRIM_THRESHOLD, KEPT_ON_TOP);
}

/// Has arenas keep next to nothing at their ends, until [`keep`].
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    set(libc::M_TRIM_THRESHOLD, LEFT_ON_TOP);
}

/// Gives back what is free in all arenas, but for the ends of other threads' arenas. A millisecond or so for each few thousand
/// holes, in which whoever allocates just then may have to wait.
pub fn trim() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim(3) takes a number, may be called by any thread, and touches only what is free.
    let _ = unsafe { libc::malloc_trim(0) };
}

/// Gives back the end of the calling thread's arena, after [`give_back`].
pub fn trim_own_arena() {
    drop(std::hint::black_box(Vec::<u8>::with_capacity(POKE)));
}

#[cfg(target_env = "gnu")]
fn set(parameter: libc::c_int, value: libc::c_int) {
    // SAFETY: mallopt(3) takes two numbers. The parameters are words of their own which other threads only read, before or after
    // they change; the one that must be set while there is one thread (M_ARENA_MAX) is, by `fit`'s contract. If it fails the
    // allocator is as it was.
    let _ = unsafe { libc::mallopt(parameter, value) };
}
