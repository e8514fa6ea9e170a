//! Background work that follows a log: a worker takes every event in order, from its own cursor on.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use allsource_engine::event::{EventRef, Filter};
use allsource_engine::{Message, Position, Start};
use tokio::sync::watch;
use tokio::time::timeout;

use super::tasks::{Member, Tasks};
use crate::store::Store;

/// The rest after a failure.
const REST: Duration = Duration::from_secs(1);

/// What follows a log.
pub trait Worker: Send + 'static {
    /// Takes the next event. It runs on a thread that also answers requests, so it must not wait for a disk.
    ///
    /// # Errors
    /// Why the event cannot be taken. The same event comes again after a rest.
    fn take(&mut self, event: &EventRef) -> Result<(), String>;
}

/// How far a worker is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// The worker has taken every event up to here.
    pub through: Option<Position>,
    /// Whether it has taken everything that was durable when it began.
    pub is_caught_up: bool,
    /// Why it is resting.
    pub failure: Option<String>,
}

/// A handle to a worker that follows a log. Clones are handles to the same worker.
#[derive(Debug, Clone)]
pub struct Follower {
    name: &'static str,
    progress: watch::Receiver<Progress>,
}

impl Follower {
    /// Lets a worker follow a log from `start` on, as a task of the group.
    pub fn start(name: &'static str, tasks: &Tasks, store: Store, start: Start, worker: impl Worker) -> Self {
        let (sender, progress) = watch::channel(Progress::default());
        tasks.spawn(name, |member| Following { store, start, worker, member, progress: sender }.run());
        Self { name, progress }
    }

    /// The name of the work.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// How far the worker is.
    pub fn progress(&self) -> Progress {
        self.progress.borrow().clone()
    }

    /// Waits until the worker has taken everything that was durable when it began.
    ///
    /// # Errors
    /// Why the worker is resting, or has ended.
    pub async fn caught_up(&self) -> Result<(), String> {
        self.wait(|progress| progress.is_caught_up).await
    }

    /// Waits until the worker has taken the event at a position.
    ///
    /// # Errors
    /// Why the worker is resting, or has ended.
    pub async fn reached(&self, position: Position) -> Result<(), String> {
        self.wait(|progress| progress.through >= Some(position)).await
    }

    async fn wait(&self, is_there: impl Fn(&Progress) -> bool) -> Result<(), String> {
        let mut progress = self.progress.clone();
        let settled = progress.wait_for(|progress| is_there(progress) || progress.failure.is_some()).await;
        let progress = settled.map_err(|_| "the server is stopping".to_owned())?;
        match &progress.failure {
            Some(problem) if !is_there(&progress) => Err(problem.clone()),
            _ => Ok(()),
        }
    }
}

struct Following<W> {
    store: Store,
    start: Start,
    worker: W,
    member: Member,
    progress: watch::Sender<Progress>,
}

impl<W: Worker> Following<W> {
    async fn run(mut self) {
        loop {
            match self.follow().await {
                Ok(()) => return,
                Err(problem) => {
                    if self.progress.borrow().failure.as_ref() != Some(&problem) {
                        tracing::error!(%problem, "background work rests, and will be tried again");
                    }
                    self.progress.send_modify(|progress| progress.failure = Some(problem));
                }
            }
            if timeout(REST, self.member.stopping()).await.is_ok() {
                return;
            }
        }
    }

    /// Follows the log until the server stops; an error ends this attempt.
    async fn follow(&mut self) -> Result<(), String> {
        let mut following = match self.store.subscribe(self.start, Filter::all()) {
            Ok(following) => following,
            Err(error) => return Err(error.to_string()),
        };
        loop {
            let message = tokio::select! {
                () = self.member.stopping() => return Ok(()),
                message = following.next() => message,
            };
            match message {
                None => return Ok(()),
                Some(Err(error)) => return Err(error.to_string()),
                Some(Ok(Message::Event(event))) => {
                    self.take(&event)?;
                    self.reached(Some(event.position()), false);
                }
                Some(Ok(Message::CaughtUp(position))) => self.reached(position, true),
                Some(Ok(Message::Progress(position))) => self.reached(Some(position), false),
            }
        }
    }

    fn take(&mut self, event: &EventRef) -> Result<(), String> {
        let worker = AssertUnwindSafe(&mut self.worker);
        let taken = catch_unwind(|| {
            // Captured as a whole, with its assertion.
            let worker = worker;
            worker.0.take(event)
        });
        taken.unwrap_or_else(|_| Err("the worker panicked; see the server's log".to_owned()))
    }

    fn reached(&mut self, position: Option<Position>, is_caught_up: bool) {
        self.start = Start::Cursor(self.store.cursor(position));
        self.progress.send_modify(|progress| {
            assert!(progress.through <= position, "a worker moves only forwards");
            progress.through = position;
            progress.is_caught_up |= is_caught_up;
            progress.failure = None;
        });
    }
}

#[cfg(test)]
mod tests;
