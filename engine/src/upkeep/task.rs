//! The tasks of upkeep and their outcomes. A task that fails or panics rests for a while; the other tasks and appends go
//! on.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use parking_lot::Mutex;

use super::{Upkeep, UpkeepError, check, merge, scrub, seal, snapshots};

/// How long a task rests after a failure. A failed merge wastes much reading and writing.
const REST: Duration = Duration::from_secs(60);
/// How long sealing rests. Memory fills up meanwhile, so it is short; but a nearly full disk must not be hammered.
const SEAL_REST: Duration = Duration::from_secs(5);

/// The kinds of upkeep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    Seal,
    Merge,
    Index,
    Snapshots,
    Check,
    Scrub,
    Reclaim,
}

/// All kinds, in the order in which a thread takes them.
pub(crate) const ALL: [Work; 7] =
    [Work::Seal, Work::Merge, Work::Index, Work::Snapshots, Work::Check, Work::Scrub, Work::Reclaim];

/// A piece of upkeep.
trait Task: Sync {
    /// Its name in reports and metrics.
    fn name(&self) -> &'static str;

    /// Takes one step. False: there is nothing to do now.
    fn step(&self, upkeep: &Upkeep) -> Result<bool, UpkeepError>;

    /// Whether a step may find something to do.
    fn is_due(&self, _: &Upkeep) -> bool {
        true
    }

    /// How long it rests after a failure.
    fn rest(&self) -> Duration {
        REST
    }
}

struct Seal;

impl Task for Seal {
    fn name(&self) -> &'static str {
        "seal"
    }

    fn step(&self, upkeep: &Upkeep) -> Result<bool, UpkeepError> {
        seal::seal(upkeep)
    }

    fn is_due(&self, upkeep: &Upkeep) -> bool {
        upkeep.store.layers().tails.len() > 1
    }

    fn rest(&self) -> Duration {
        SEAL_REST
    }
}

struct Merge;

impl Task for Merge {
    fn name(&self) -> &'static str {
        "merge"
    }

    fn step(&self, upkeep: &Upkeep) -> Result<bool, UpkeepError> {
        merge::merge(upkeep)
    }
}

struct Index;

impl Task for Index {
    fn name(&self) -> &'static str {
        "index"
    }

    fn step(&self, upkeep: &Upkeep) -> Result<bool, UpkeepError> {
        upkeep.write_index()
    }
}

struct Snapshots;

impl Task for Snapshots {
    fn name(&self) -> &'static str {
        "snapshots"
    }

    fn step(&self, upkeep: &Upkeep) -> Result<bool, UpkeepError> {
        snapshots::step(upkeep)
    }
}

struct Check;

impl Task for Check {
    fn name(&self) -> &'static str {
        "check"
    }

    fn step(&self, upkeep: &Upkeep) -> Result<bool, UpkeepError> {
        check::check(upkeep)
    }
}

struct Scrub;

impl Task for Scrub {
    fn name(&self) -> &'static str {
        "scrub"
    }

    fn step(&self, upkeep: &Upkeep) -> Result<bool, UpkeepError> {
        scrub::scrub(upkeep)
    }

    fn is_due(&self, upkeep: &Upkeep) -> bool {
        upkeep.scrub_bytes_per_second > 0
    }
}

struct Reclaim;

impl Task for Reclaim {
    fn name(&self) -> &'static str {
        "reclaim"
    }

    fn step(&self, upkeep: &Upkeep) -> Result<bool, UpkeepError> {
        Ok(upkeep.retired.reclaim())
    }
}

/// The outcomes of a task since the store was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskReport {
    /// Its name: `seal`, `merge`, `index`, `snapshots`, `check`, `scrub` or `reclaim`.
    pub name: &'static str,
    /// Steps that did something.
    pub steps: u64,
    /// Steps that failed or panicked.
    pub failures: u64,
    /// Why the last step failed; `None`: it succeeded. The task is tried again after a rest.
    pub last_error: Option<String>,
}

#[derive(Default)]
struct State {
    rests_until: Option<Duration>,
    error: Option<String>,
    /// The disk had no room.
    is_full: bool,
    steps: u64,
    failures: u64,
}

/// A task with its state.
struct Kept {
    task: &'static dyn Task,
    /// Held during a step: no two threads run the same task at once.
    running: Mutex<()>,
    state: Mutex<State>,
}

/// All tasks.
pub(crate) struct Tasks([Kept; ALL.len()]);

impl Default for Tasks {
    fn default() -> Self {
        let kept = |work| {
            let task: &'static dyn Task = match work {
                Work::Seal => &Seal,
                Work::Merge => &Merge,
                Work::Index => &Index,
                Work::Snapshots => &Snapshots,
                Work::Check => &Check,
                Work::Scrub => &Scrub,
                Work::Reclaim => &Reclaim,
            };
            Kept { task, running: Mutex::default(), state: Mutex::default() }
        };
        Self(ALL.map(kept))
    }
}

impl Tasks {
    fn of(&self, work: Work) -> &Kept {
        let kept = ALL.iter().zip(&self.0).find(|(listed, _)| **listed == work);
        #[expect(clippy::expect_used, reason = "all kinds of work are listed")]
        kept.map(|(_, kept)| kept).expect("every kind of work is listed")
    }

    /// Why the last step of a task failed, until one succeeds.
    pub(crate) fn error(&self, work: Work) -> Option<String> {
        self.of(work).state.lock().error.clone()
    }

    /// Whether the last step of a task failed for want of room.
    pub(crate) fn is_full(&self, work: Work) -> bool {
        self.of(work).state.lock().is_full
    }

    /// The outcomes of each task.
    pub(crate) fn report(&self) -> Vec<TaskReport> {
        let report = |kept: &Kept| {
            let State { ref error, steps, failures, .. } = *kept.state.lock();
            TaskReport { name: kept.task.name(), steps, failures, last_error: error.clone() }
        };
        self.0.iter().map(report).collect()
    }
}

impl Upkeep {
    /// Takes a step of a task, unless it rests. False: there is nothing to do now, or it failed.
    pub(crate) fn run(&self, work: Work) -> bool {
        let kept = self.tasks.of(work);
        let _running = kept.running.lock();
        let now = self.clock.monotonic();
        let is_resting = kept.state.lock().rests_until.is_some_and(|until| now < until);
        if is_resting || !kept.task.is_due(self) {
            return false;
        }
        let caught = catch_unwind(AssertUnwindSafe(|| kept.task.step(self)));
        let (failed, full) = match caught {
            Ok(Ok(is_more)) => {
                let mut state = kept.state.lock();
                state.steps += u64::from(is_more);
                (state.error, state.rests_until, state.is_full) = (None, None, false);
                return is_more;
            }
            Ok(Err(error)) => {
                self.note(&error);
                (error.to_string(), error.is_full())
            }
            Err(panic) => (format!("it panicked: {}", message(&*panic)), false),
        };
        assert!(kept.task.rest() > Duration::ZERO, "a task rests after a failure");
        let mut state = kept.state.lock();
        state.failures += 1;
        state.is_full = full;
        (state.error, state.rests_until) = (Some(failed), Some(now + kept.task.rest()));
        false
    }
}

/// The message of a panic.
fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a message")
}
