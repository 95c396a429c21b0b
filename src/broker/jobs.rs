//! Calls on their way through the workers: which wait, which run, and in what order.
//!
//! The queue is the loop's. A job waits for two things: for its handle, while an earlier call on the same handle is not
//! done, and for a worker. Until a worker has it, it can be taken back. Workers take from each user in turn, and from each of a
//! user's connections in turn, so who queues a thousand calls delays nobody's single one by more than one. Guests may have
//! some of the workers only, each of them and all together ([`Share`]), however long their calls run.

use super::ids::ConnectionId;
pub use super::ids::JobId;
use kit::cancellation::Cancellation;
use kit::handles::HandleId;
use kit::protocol::Buffer;
use kit::protocol::frozen::Wish;
use kit::{Caller, FunctionId};
use slab::Slab;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A handle as its owner knows it. What others call by the same name waits for nothing of this.
pub type HandleKey = (u32, HandleId);

/// How far a job has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Waits for its handle or for a worker.
    Waiting,
    /// A worker has it.
    Running,
    /// A worker has it, but nobody waits for its answer any more.
    Abandoned,
}

/// A call that a worker is to run.
pub struct Job {
    /// Who is to get the answer.
    pub connection: ConnectionId,
    /// The caller's number for the call; none for a notification.
    pub msgid: Option<u32>,
    /// What to run.
    pub function: FunctionId,
    /// For whom.
    pub caller: Caller,
    /// With what; empty once a worker has it.
    pub params: Buffer,
    /// How many bytes that was.
    pub size: usize,
    /// Bytes that are reckoned for the call until it is answered: its parameters, and what is made of them.
    pub charge: usize,
    /// The handle's name among the parameters.
    pub handle: Option<HandleKey>,
    /// Whether the caller asked for progress.
    pub progress: bool,
    /// How a long result is asked for.
    pub freeze: Option<Wish>,
    /// When the caller stops waiting, as time since the broker's start.
    pub deadline: Option<Duration>,
    /// When it came.
    pub arrived: Instant,
    /// When a worker got it.
    pub started: Option<Instant>,
    /// How far it has come.
    pub stage: Stage,
    /// Whether it was given to a worker: it counts against its user's share then.
    pub on_worker: bool,
    /// Tells the worker that nobody waits any more.
    pub cancellation: Arc<Cancellation>,
}

impl Job {
    /// Nobody waits for the answer any more.
    pub fn abandon(&mut self) {
        self.stage = Stage::Abandoned;
        self.cancellation.cancel();
    }
}

/// How many workers guests may have: callers that are neither the broker's own user nor root.
#[derive(Clone, Copy, Debug)]
pub struct Share {
    /// Each of them.
    pub of_each: usize,
    /// All together.
    pub of_all: usize,
}

/// Jobs that only want a worker: for each user a queue for each connection, and whose turn it is.
#[derive(Default)]
struct Ready {
    users: HashMap<u32, Waiting>,
    turns: VecDeque<u32>,
}

/// One user's.
#[derive(Default)]
struct Waiting {
    privileged: bool,
    queues: HashMap<ConnectionId, VecDeque<JobId>>,
    turns: VecDeque<ConnectionId>,
}

impl Ready {
    fn push(&mut self, caller: Caller, connection: ConnectionId, job: JobId) {
        let user = self.users.entry(caller.uid).or_default();
        user.privileged = caller.privileged;
        if user.turns.is_empty() {
            self.turns.push_back(caller.uid);
        }
        let queue = user.queues.entry(connection).or_default();
        if queue.is_empty() {
            user.turns.push_back(connection);
        }
        queue.push_back(job);
    }

    /// The next job of the next user who may have one.
    fn pop(&mut self, may: impl Fn(u32, bool) -> bool) -> Option<JobId> {
        let turn =
            self.turns.iter().position(|uid| self.users.get(uid).is_some_and(|user| may(*uid, user.privileged)))?;
        let uid = self.turns.remove(turn)?;
        let user = self.users.get_mut(&uid)?;
        let connection = user.turns.pop_front()?;
        let queue = user.queues.get_mut(&connection)?;
        let job = queue.pop_front();
        if queue.is_empty() {
            user.queues.remove(&connection);
        } else {
            user.turns.push_back(connection);
        }
        if user.turns.is_empty() {
            self.users.remove(&uid);
        } else {
            self.turns.push_back(uid);
        }
        job
    }

    fn remove(&mut self, uid: u32, connection: ConnectionId, job: JobId) {
        let Some(user) = self.users.get_mut(&uid) else { return };
        let Some(queue) = user.queues.get_mut(&connection) else { return };
        queue.retain(|ready| *ready != job);
        if queue.is_empty() {
            user.queues.remove(&connection);
            user.turns.retain(|turn| *turn != connection);
        }
        if user.turns.is_empty() {
            self.users.remove(&uid);
            self.turns.retain(|turn| *turn != uid);
        }
    }

    fn iter(&self) -> impl Iterator<Item = JobId> {
        self.users.values().flat_map(|user| user.queues.values()).flatten().copied()
    }
}

/// All jobs.
#[derive(Default)]
pub struct Jobs {
    slab: Slab<(u32, Job)>,
    generation: u32,
    waiting: usize,
    waiting_by_user: HashMap<u32, usize>,
    // Of those that workers have, also of those that nobody waits for any more.
    running_by_user: HashMap<u32, usize>,
    guests_running: usize,
    ready: Ready,
    // A handle is here while a job that works on it is ready or running; behind it, those that come after.
    by_handle: HashMap<HandleKey, VecDeque<JobId>>,
}

impl Jobs {
    /// How many jobs wait.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// How many jobs of one user wait.
    pub fn waiting_of(&self, uid: u32) -> usize {
        self.waiting_by_user.get(&uid).copied().unwrap_or(0)
    }

    fn waits(&mut self, uid: u32) {
        self.waiting += 1;
        *self.waiting_by_user.entry(uid).or_insert(0) += 1;
    }

    fn waits_no_more(&mut self, uid: u32) {
        self.waiting -= 1;
        if let Some(count) = self.waiting_by_user.get_mut(&uid) {
            *count -= 1;
            if *count == 0 {
                self.waiting_by_user.remove(&uid);
            }
        }
    }

    /// How many jobs run, whether or not somebody waits for them.
    pub fn running(&self) -> usize {
        self.slab.len() - self.waiting
    }

    /// Whether a call on this handle is not done yet.
    pub fn is_busy(&self, handle: HandleKey) -> bool {
        self.by_handle.contains_key(&handle)
    }

    /// Adds a job behind those on the same handle.
    pub fn add(&mut self, job: Job) -> JobId {
        self.generation = self.generation.wrapping_add(1);
        let (handle, connection, caller) = (job.handle, job.connection, job.caller);
        let slot = self.slab.insert((self.generation, job));
        let id = JobId::new(slot as u32, self.generation);
        self.waits(caller.uid);
        match handle.map(|handle| self.by_handle.entry(handle)) {
            Some(std::collections::hash_map::Entry::Occupied(mut behind)) => behind.get_mut().push_back(id),
            Some(std::collections::hash_map::Entry::Vacant(free)) => {
                free.insert(VecDeque::new());
                self.ready.push(caller, connection, id);
            }
            None => self.ready.push(caller, connection, id),
        }
        id
    }

    /// Adds a job that no worker has: it is done when somebody says so.
    pub fn add_running(&mut self, job: Job) -> JobId {
        self.generation = self.generation.wrapping_add(1);
        let slot = self.slab.insert((self.generation, Job { stage: Stage::Running, handle: None, ..job }));
        JobId::new(slot as u32, self.generation)
    }

    /// The job of an id, unless it is gone.
    pub fn get(&mut self, id: JobId) -> Option<&mut Job> {
        self.slab.get_mut(id.slot as usize).filter(|(generation, _)| *generation == id.generation).map(|(_, job)| job)
    }

    /// Every job there is, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (JobId, &Job)> {
        self.slab.iter().map(|(slot, (generation, job))| (JobId::new(slot as u32, *generation), job))
    }

    /// Whether a job waits for an earlier one on the same handle, and not for a worker.
    pub fn waits_for_handle(&self, id: JobId, job: &Job) -> bool {
        job.handle.and_then(|handle| self.by_handle.get(&handle)).is_some_and(|behind| behind.contains(&id))
    }

    /// Whichever job is in a slot now.
    pub fn in_slot(&self, slot: u32) -> Option<JobId> {
        self.slab.get(slot as usize).map(|(generation, _)| JobId::new(slot, *generation))
    }

    /// Whether there is a job that a worker may have.
    pub fn may_start(&self, share: Share) -> bool {
        self.ready
            .turns
            .iter()
            .any(|uid| self.ready.users.get(uid).is_some_and(|user| self.is_within(share, *uid, user.privileged)))
    }

    fn is_within(&self, share: Share, uid: u32, privileged: bool) -> bool {
        let running = self.running_by_user.get(&uid).copied().unwrap_or(0);
        privileged || self.guests_running < share.of_all && running < share.of_each
    }

    /// The next job that a worker may have. It counts as running from here on.
    pub fn start_next(&mut self, share: Share) -> Option<JobId> {
        let mut ready = std::mem::take(&mut self.ready);
        let id = ready.pop(|uid, privileged| self.is_within(share, uid, privileged));
        self.ready = ready;
        let id = id?;
        self.runs(id);
        Some(id)
    }

    /// As [`Jobs::start_next`], but the first whose handle is `wanted`, whoever's it is.
    pub fn start_next_on(&mut self, wanted: impl Fn(HandleKey) -> bool) -> Option<JobId> {
        let id = self.ready.iter().find(|id| {
            let job = self.slab.get(id.slot as usize).map(|(_, job)| job);
            job.and_then(|job| job.handle).is_some_and(&wanted)
        })?;
        let (uid, connection) = self.get(id).map(|job| (job.caller.uid, job.connection))?;
        self.ready.remove(uid, connection, id);
        self.runs(id);
        Some(id)
    }

    /// The jobs of guests that workers have.
    pub fn running_of_guests(&self) -> Vec<JobId> {
        let running = self.slab.iter().filter(|(_, (_, job))| job.on_worker && !job.caller.privileged);
        running.map(|(slot, (generation, _))| JobId::new(slot as u32, *generation)).collect()
    }

    /// The job that workers have longest.
    pub fn longest_running(&self, among: impl Fn(&Job) -> bool) -> Option<&Job> {
        let running = self.slab.iter().map(|(_, (_, job))| job).filter(|job| job.on_worker && among(job));
        running.min_by_key(|job| job.started)
    }

    fn runs(&mut self, id: JobId) {
        let Some(job) = self.get(id) else { return };
        job.stage = Stage::Running;
        job.on_worker = true;
        let caller = job.caller;
        self.waits_no_more(caller.uid);
        *self.running_by_user.entry(caller.uid).or_insert(0) += 1;
        self.guests_running += usize::from(!caller.privileged);
    }

    fn runs_no_more(&mut self, caller: Caller) {
        self.guests_running -= usize::from(!caller.privileged);
        if let Some(running) = self.running_by_user.get_mut(&caller.uid) {
            *running -= 1;
            if *running == 0 {
                self.running_by_user.remove(&caller.uid);
            }
        }
    }

    /// Takes a job out: one that is done, or one that never ran. The next on its handle may go.
    pub fn remove(&mut self, id: JobId) -> Option<Job> {
        self.get(id)?;
        let (_, job) = self.slab.try_remove(id.slot as usize)?;
        let was_waiting = job.stage == Stage::Waiting;
        if was_waiting {
            self.waits_no_more(job.caller.uid);
        }
        if job.on_worker {
            self.runs_no_more(job.caller);
        }
        match job.handle {
            Some(handle) => self.leave_handle(handle, job.caller.uid, job.connection, id),
            None if was_waiting => self.ready.remove(job.caller.uid, job.connection, id),
            None => {}
        }
        Some(job)
    }

    fn leave_handle(&mut self, handle: HandleKey, uid: u32, connection: ConnectionId, id: JobId) {
        let Some(behind) = self.by_handle.get_mut(&handle) else { return };
        if let Some(position) = behind.iter().position(|waiting| *waiting == id) {
            behind.remove(position);
            return;
        }
        let next = behind.pop_front();
        if next.is_none() {
            self.by_handle.remove(&handle);
        }
        self.ready.remove(uid, connection, id);
        // The next one may be another connection's of the same user.
        if let Some((next, caller, connection)) =
            next.and_then(|next| self.get(next).map(|job| (next, job.caller, job.connection)))
        {
            self.ready.push(caller, connection, next);
        }
    }

    /// The jobs that wait, in the order in which they came.
    pub fn queued(&self) -> Vec<&Job> {
        let mut queued: Vec<_> = self.slab.iter().filter(|(_, (_, job))| job.stage == Stage::Waiting).collect();
        queued.sort_by_key(|(_, (generation, job))| (job.arrived, *generation));
        queued.into_iter().map(|(_, (_, job))| job).collect()
    }

    /// Every job that waits.
    pub fn waiting_ids(&self) -> Vec<JobId> {
        let waiting = self.slab.iter().filter(|(_, (_, job))| job.stage == Stage::Waiting);
        waiting.map(|(slot, (generation, _))| JobId::new(slot as u32, *generation)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mio::Token;

    fn job(handle: Option<HandleKey>) -> Job {
        job_of(0, handle)
    }

    fn job_of(connection: usize, handle: Option<HandleKey>) -> Job {
        Job {
            connection: ConnectionId::of_token(Token(connection)),
            msgid: Some(1),
            function: FunctionId(0),
            caller: Caller::default(),
            params: Buffer::new(),
            size: 0,
            charge: 0,
            handle,
            progress: false,
            freeze: None,
            deadline: None,
            arrived: Instant::now(),
            started: None,
            stage: Stage::Waiting,
            on_worker: false,
            cancellation: Arc::default(),
        }
    }

    const ALL: Share = Share { of_each: usize::MAX, of_all: usize::MAX };

    #[test]
    fn guests_have_their_share_of_workers_and_others_go_on() {
        let share = Share { of_each: 2, of_all: 3 };
        let of = |connection, uid, privileged| Job {
            caller: Caller { uid, privileged, ..Caller::default() },
            ..job_of(connection, None)
        };
        let mut jobs = Jobs::default();
        let first: Vec<JobId> = (0..4).map(|_| jobs.add(of(1, 7, false))).collect();
        let second: Vec<JobId> = (0..4).map(|_| jobs.add(of(2, 8, false))).collect();
        assert_eq!(jobs.start_next(share), Some(first[0]));
        assert_eq!(jobs.start_next(share), Some(second[0]));
        assert_eq!(jobs.start_next(share), Some(first[1]));
        assert_eq!(jobs.start_next(share), None, "all guests have three workers");
        let owner = jobs.add(of(3, 0, true));
        assert_eq!(jobs.start_next(share), Some(owner));
        // Who is abandoned still has a worker.
        jobs.get(first[0]).unwrap().abandon();
        assert_eq!(jobs.start_next(share), None);
        jobs.remove(second[0]);
        assert_eq!(jobs.start_next(share), Some(second[1]), "the first has two still");
        for id in [first[0], first[1], second[1]] {
            jobs.remove(id);
        }
        assert_eq!((jobs.guests_running, jobs.running_by_user.len()), (0, 1));
        assert_eq!(jobs.start_next(share), Some(first[2]));
    }

    #[test]
    fn jobs_on_one_handle_go_one_after_the_other() {
        let key = (0, HandleId::random().unwrap());
        let handle = Some(key);
        let mut jobs = Jobs::default();
        let first = jobs.add(job(handle));
        let second = jobs.add(job(handle));
        let other = jobs.add(job(None));
        assert_eq!(jobs.start_next(ALL), Some(first));
        assert_eq!(jobs.start_next(ALL), Some(other));
        assert_eq!(jobs.start_next(ALL), None);
        assert_eq!((jobs.running(), jobs.waiting()), (2, 1));
        jobs.remove(first);
        assert_eq!(jobs.start_next(ALL), Some(second));
        jobs.remove(second);
        assert!(!jobs.is_busy(key));
    }

    #[test]
    fn a_job_that_is_taken_back_holds_up_nobody() {
        let handle = Some((0, HandleId::random().unwrap()));
        let mut jobs = Jobs::default();
        let ids = [jobs.add(job(handle)), jobs.add(job(handle)), jobs.add(job(handle))];
        jobs.remove(ids[1]);
        jobs.remove(ids[0]);
        assert_eq!(jobs.start_next(ALL), Some(ids[2]));
        assert_eq!(jobs.start_next(ALL), None);
        assert_eq!((jobs.running(), jobs.waiting()), (1, 0));
    }

    #[test]
    fn connections_take_turns() {
        let mut jobs = Jobs::default();
        let greedy: Vec<JobId> = (0..4).map(|_| jobs.add(job_of(1, None))).collect();
        let modest = jobs.add(job_of(2, None));
        jobs.remove(greedy[2]);
        let order: Vec<JobId> = std::iter::from_fn(|| jobs.start_next(ALL)).collect();
        assert_eq!(order, [greedy[0], modest, greedy[1], greedy[3]]);
        assert_eq!(jobs.start_next(ALL), None);
    }

    #[test]
    fn an_id_of_an_earlier_job_in_the_slot_finds_nothing() {
        let mut jobs = Jobs::default();
        let first = jobs.add(job(None));
        jobs.remove(first);
        let second = jobs.add(job(None));
        assert_eq!(first.slot, second.slot);
        assert!(jobs.get(first).is_none());
    }
}
