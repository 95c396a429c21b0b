//! Dropping what has ended where it holds up nobody.
//!
//! The state of a handle can be hundreds of megabytes, a tree of a million nodes, a connection to be closed: giving that back
//! takes its time, and a destructor is code that can fail like any other. So the loop hands what is not light to a thread that
//! does nothing else; a panic in a destructor is caught and counted, here as there.
//!
//! The same thread has the allocator give back what was freed.

use super::{allocator, panics};
use kit::store::Ended;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread;

enum Task {
    Drop(Ended),
    Trim,
}

/// The loop's end of it.
pub struct Reaper {
    // Started when it is first needed.
    thread: Option<Sender<Task>>,
    panics: Arc<AtomicU64>,
    told: u64,
}

impl Reaper {
    /// One that has nothing to do yet.
    pub fn new() -> Self {
        Self { thread: None, panics: Arc::default(), told: 0 }
    }

    /// Drops what has ended: here what is light, elsewhere the rest.
    pub fn bury(&mut self, ended: Vec<Ended>) {
        for ended in ended {
            if ended.is_light() {
                drop_caught(ended, &self.panics);
                continue;
            }
            // Without a thread it takes what it takes.
            if let Err(Task::Drop(ended)) = self.send(Task::Drop(ended)) {
                drop_caught(ended, &self.panics);
            }
        }
    }

    /// Gives freed memory back to the system, as far as [`allocator::trim`] does.
    pub fn trim(&mut self) {
        // Without a thread the memory is kept for what comes.
        drop(self.send(Task::Trim));
    }

    /// How many destructors have panicked since this was last asked.
    pub fn new_panics(&mut self) -> u64 {
        let panics = self.panics.load(Ordering::Relaxed);
        panics - std::mem::replace(&mut self.told, panics)
    }

    fn send(&mut self, task: Task) -> Result<(), Task> {
        if self.thread.is_none() {
            self.thread = self.start().ok();
        }
        match &self.thread {
            Some(thread) => thread.send(task).map_err(|unsent| unsent.0),
            None => Err(task),
        }
    }

    fn start(&self) -> io::Result<Sender<Task>> {
        let (sender, inbox) = channel();
        let panics = Arc::clone(&self.panics);
        thread::Builder::new().name("reaper".to_owned()).spawn(move || {
            while let Ok(task) = inbox.recv() {
                match task {
                    Task::Drop(ended) => drop_caught(ended, &panics),
                    Task::Trim => allocator::trim(),
                }
            }
        })?;
        Ok(sender)
    }
}

fn drop_caught(ended: Ended, panics: &AtomicU64) {
    if panics::catch(|| drop(ended)).is_err() {
        panics.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kit::Caller;
    use kit::handles::{Handles, Life};
    use kit::keep::Keep;
    use kit::store::{Bounds, HandleStore};
    use std::time::{Duration, Instant};

    struct Bad {
        light: bool,
    }

    impl Keep for Bad {
        fn size(&self) -> usize {
            1
        }

        fn is_light(&self) -> bool {
            self.light
        }
    }

    impl Drop for Bad {
        fn drop(&mut self) {
            panic!("on purpose");
        }
    }

    #[test]
    fn a_destructor_that_panics_is_counted_wherever_it_runs() {
        panics::install_hook();
        let bounds = Bounds { max_per_user: 10, idle_timeout: None, user_memory: 1 << 20, max_memory: 1 << 20 };
        let mut store = HandleStore::new(bounds, Life::default());
        let mut reaper = Reaper::new();
        for light in [true, false, false, true] {
            let handles = Handles::of_store(Caller::default(), &mut store, Duration::ZERO);
            let name = handles.insert("bad", Bad { light }).unwrap();
            let handles = Handles::of_store(Caller::default(), &mut store, Duration::ZERO);
            assert!(handles.remove("bad", Some(name)).unwrap());
        }
        reaper.bury(store.take_ended());
        let (begin, mut counted) = (Instant::now(), 0);
        while counted < 4 {
            counted += reaper.new_panics();
            assert!(begin.elapsed() < Duration::from_secs(10), "{counted} of 4 were heard of");
            std::thread::yield_now();
        }
        assert_eq!((reaper.new_panics(), store.memory(0)), (0, (0, 0)));
    }
}
