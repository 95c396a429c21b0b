//! Threads for calls that wait or burn CPU.
//!
//! A worker takes a whole job and gives back a whole answer; nothing is shared while it works. Jobs are handed only to
//! workers that are idle, so everything that waits, waits in the loop, where it can still be cancelled.

use super::allocator;
use super::jobs::JobId;
use super::panics::{self, Panic};
use kit::call::{Control, ProgressReport};
use kit::cancellation::Cancellation;
use kit::handles::Lease;
use kit::protocol::frozen::Wish;
use kit::protocol::{Buffer, CallError};
use kit::{Call, Caller, FunctionId, Registry};
use mio::Waker;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SendError, Sender, channel};
use std::thread;

/// A job as a worker gets it: everything the call needs, and nothing of the loop's.
pub struct Task {
    /// Which job.
    pub job: JobId,
    /// What to run.
    pub function: FunctionId,
    /// For whom.
    pub caller: Caller,
    /// With what.
    pub params: Buffer,
    /// The state of the handle it works on.
    pub lease: Lease,
    /// Set by the loop when nobody waits any more.
    pub cancellation: Arc<Cancellation>,
    /// Whether the caller asked for progress.
    pub progress: bool,
    /// How a long result is asked for.
    pub freeze: Option<Wish>,
}

/// What the loop tells a worker.
enum Order {
    Run(Box<Task>),
    Trim,
}

/// What a worker tells the loop.
pub enum Report {
    /// How far a job has come.
    Progress(JobId, ProgressReport),
    /// A job is done.
    Done(Box<Done>),
}

/// A job that is done.
pub struct Done {
    /// Which job.
    pub job: JobId,
    /// Whose it was, for the handle's sake.
    pub caller: Caller,
    /// Which worker is free again.
    pub worker: usize,
    /// The result's bytes; a panic where there is none.
    pub result: Result<Result<Buffer, CallError>, Panic>,
    /// The handle's state, and what was made.
    pub lease: Lease,
    /// The server that could not be reached for it, or broke off.
    pub unreached: Option<String>,
}

/// The worker threads. They are started when first needed.
pub struct Workers {
    registry: Arc<Registry>,
    waker: Arc<Waker>,
    threads: Vec<Sender<Order>>,
    idle: Vec<usize>,
    most: usize,
    reports: (Sender<Report>, Receiver<Report>),
}

impl Workers {
    /// Up to `most` workers, who ring `waker` when they have something to tell.
    pub fn new(registry: Arc<Registry>, waker: Arc<Waker>, most: usize) -> Self {
        Self { registry, waker, threads: Vec::new(), idle: Vec::new(), most, reports: channel() }
    }

    /// How many are at work.
    pub fn busy(&self) -> usize {
        self.threads.len() - self.idle.len()
    }

    /// Whether another job could start now. Starts a thread if that is what it takes.
    ///
    /// # Errors
    /// A thread that can't be started, if there is none at all.
    pub fn available(&mut self) -> io::Result<bool> {
        if !self.idle.is_empty() {
            return Ok(true);
        }
        if self.threads.len() >= self.most {
            return Ok(false);
        }
        match self.start_thread() {
            Ok(()) => Ok(true),
            Err(error) if self.threads.is_empty() => Err(error),
            // Those that there are will do.
            Err(_) => Ok(false),
        }
    }

    /// Hands a job to an idle worker. Without one (see [`Workers::available`]) it comes back.
    pub fn start(&mut self, task: Task) -> Result<(), Box<Task>> {
        let Some(worker) = self.idle.pop() else { return Err(Box::new(task)) };
        match self.threads[worker].send(Order::Run(Box::new(task))) {
            Err(SendError(Order::Run(task))) => Err(task),
            _ => Ok(()),
        }
    }

    /// Has those that are idle give back what their arenas keep.
    pub fn trim(&self) {
        for worker in &self.idle {
            // One that is gone keeps nothing.
            let _ = self.threads[*worker].send(Order::Trim);
        }
    }

    /// The next thing a worker has to tell.
    pub fn report(&mut self) -> Option<Report> {
        let report = self.reports.1.try_recv().ok()?;
        if let Report::Done(done) = &report {
            self.idle.push(done.worker);
        }
        Some(report)
    }

    fn start_thread(&mut self) -> io::Result<()> {
        let worker = self.threads.len();
        let (tasks, inbox) = channel();
        let registry = Arc::clone(&self.registry);
        let reporter = Reporter { reports: self.reports.0.clone(), waker: Arc::clone(&self.waker) };
        thread::Builder::new()
            .name(format!("worker-{worker}"))
            .spawn(move || work(worker, &registry, &inbox, &reporter))?;
        self.threads.push(tasks);
        self.idle.push(worker);
        Ok(())
    }
}

/// A worker's way to tell the loop something.
#[derive(Clone)]
struct Reporter {
    reports: Sender<Report>,
    waker: Arc<Waker>,
}

impl Reporter {
    fn send(&self, report: Report) {
        // Both fail only when the loop is gone, and then nobody is left to tell.
        if self.reports.send(report).is_ok() {
            let _ = self.waker.wake();
        }
    }
}

/// Lets the loop, and the scripts that wait for it, go before work that takes its time.
fn give_way() {
    const NICENESS: libc::c_int = 5;
    // SAFETY: the call takes numbers and returns one; on Linux it is for the calling thread alone (setpriority(2), NOTES).
    // It fails only where the process may not even become nicer, and then the work is done all the same.
    let _ = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICENESS) };
}

fn work(worker: usize, registry: &Registry, inbox: &Receiver<Order>, reporter: &Reporter) {
    give_way();
    while let Ok(order) = inbox.recv() {
        let Order::Run(task) = order else {
            allocator::trim_own_arena();
            continue;
        };
        let (job, caller) = (task.job, task.caller);
        let (result, lease, unreached) = run(registry, *task, reporter);
        reporter.send(Report::Done(Box::new(Done { job, caller, worker, result, lease, unreached })));
    }
}

fn run(
    registry: &Registry,
    task: Task,
    reporter: &Reporter,
) -> (Result<Result<Buffer, CallError>, Panic>, Lease, Option<String>) {
    let function = registry.function(task.function);
    let Task { job, caller, params, mut lease, cancellation, progress, freeze, .. } = task;
    let report = progress.then(|| {
        let reporter = reporter.clone();
        Box::new(move |report: ProgressReport| reporter.send(Report::Progress(job, report)))
            as Box<dyn Fn(ProgressReport) + Send>
    });
    let control = Control::new(cancellation, report);
    let mut out = Buffer::new();
    let outcome = panics::catch(|| {
        let mut call = Call::on_worker(caller, &mut lease, &control, &mut out).among(registry);
        function.run(&mut call, params.as_slice())
    });
    match outcome {
        Ok(result) => {
            if let (Ok(()), Some(wish)) = (&result, freeze) {
                wish.freeze_result(&mut out, 0);
            }
            (Ok(result.map(|()| out)), lease, control.unreached())
        }
        Err(panic) => {
            let broken = lease.poison();
            // What is broken may not even be fit to be dropped.
            let _ = panics::catch(|| drop(broken));
            (Err(panic), lease, None)
        }
    }
}
