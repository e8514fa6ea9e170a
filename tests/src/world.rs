//! A store on a simulated machine, driven step by step, with an oracle beside it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use allsource_engine::event::{Entity, EntityId, TenantId};
use allsource_engine::platform::sim::{Faults, SimClock, SimDisk, SimEntropy};
use allsource_engine::{Append, Durability, Engine, ExpectedVersion, OpenError, Options, ReadMode, Step};

use crate::oracle::{Broken, Oracle, batch_of};

/// A machine, the store on it, and what the store promised.
pub struct World {
    /// The disk.
    pub disk: SimDisk,
    /// The clock.
    pub clock: Arc<SimClock>,
    /// The store, while it is open.
    pub engine: Option<Engine>,
    /// What the store promised.
    pub oracle: Oracle,
    /// The options the store is opened with.
    pub options: Options,
    waiting: VecDeque<(usize, Append)>,
    next_number: u64,
    opened: u64,
    seed: u64,
}

/// An event to append: its entity, expected version, and whether the client sets its id.
pub type Wanted = (Entity, ExpectedVersion, bool);

/// The entity with this id in this tenant.
pub fn entity(tenant: &str, id: &str) -> Entity {
    Entity::of(TenantId::new(tenant).expect("a good name"), EntityId::new(id).expect("a good name"))
}

impl World {
    /// An empty machine.
    pub fn new(seed: u64) -> Self {
        let options = Options {
            // A crash may then take back events that were seen, and the log continues with others.
            durability: if seed % 8 == 5 { Durability::None } else { Durability::Sync },
            partitions: 4,
            journal_file_bytes: 64 << 10,
            queue_bytes: 1 << 20,
            mark_after: Duration::from_millis(75),
            // Room for a few events.
            seal_bytes: 4 << 10,
            // Few enough that files are constantly closed and reopened.
            open_files: 2,
            snapshot_events: 4,
            scrub_bytes_per_second: 1 << 20,
            read_mode: if seed % 4 == 3 { ReadMode::Read } else { ReadMode::Map },
            ..Options::default()
        };
        Self {
            disk: SimDisk::new(seed),
            clock: Arc::new(SimClock::at(1_700_000_000_000_000)),
            engine: None,
            oracle: Oracle::default(),
            options,
            waiting: VecDeque::new(),
            next_number: 1,
            opened: 0,
            seed,
        }
    }

    /// A copy of this machine, with the store closed, to try another continuation.
    pub fn fork(&self) -> Self {
        Self {
            disk: self.disk.fork(),
            clock: Arc::clone(&self.clock),
            engine: None,
            oracle: self.oracle.clone(),
            options: self.options.clone(),
            waiting: VecDeque::new(),
            next_number: self.next_number,
            opened: self.opened,
            seed: self.seed,
        }
    }

    /// Opens the store.
    pub fn open(&mut self) -> Result<(), OpenError> {
        self.opened += 1;
        let entropy = SimEntropy::seeded(self.seed ^ (self.opened << 32));
        let disk = Arc::new(self.disk.clone());
        let clock = Arc::clone(&self.clock) as Arc<_>;
        self.engine = Some(Engine::open_by_hand(disk, clock, Arc::new(entropy), self.options.clone())?);
        Ok(())
    }

    fn engine(&self) -> Result<&Engine, Broken> {
        self.engine.as_ref().ok_or_else(|| "the store is not open".to_owned())
    }

    /// Sends a batch and returns the numbers of its events; [`World::hear`] collects the answer.
    pub fn send(&mut self, wanted: &[Wanted]) -> Result<Vec<u64>, Broken> {
        let first = self.next_number;
        self.next_number += wanted.len() as u64;
        let numbers: Vec<u64> = (first..self.next_number).collect();
        let events: Vec<_> =
            wanted.iter().zip(&numbers).map(|((e, x, g), n)| (e.clone(), *x, *n, *g)).collect();
        let (sent, batch) = batch_of(&events);
        let append = self.engine()?.append(batch);
        self.waiting.push_back((self.oracle.sent(sent), append));
        Ok(numbers)
    }

    /// Sends the event with this number and id again, as a client that got no answer would.
    pub fn send_again(&mut self, entity: &Entity, number: u64) -> Result<(), Broken> {
        let (sent, batch) = batch_of(&[(entity.clone(), ExpectedVersion::Any, number, true)]);
        let append = self.engine()?.append(batch);
        self.waiting.push_back((self.oracle.sent(sent), append));
        Ok(())
    }

    /// Takes a step, then collects the answers it produced.
    pub fn step(&mut self, step: Step) -> Result<bool, Broken> {
        let did = self.engine()?.step(step);
        self.hear()?;
        Ok(did)
    }

    /// Collects the answers that have arrived.
    pub fn hear(&mut self) -> Result<(), Broken> {
        for (attempt, append) in std::mem::take(&mut self.waiting) {
            match append.try_wait() {
                Ok(answer) => self.oracle.answered(attempt, &answer)?,
                Err(append) => self.waiting.push_back((attempt, append)),
            }
        }
        Ok(())
    }

    /// Takes steps until every pending append is durable or refused.
    pub fn settle(&mut self) -> Result<(), Broken> {
        for _ in 0..100 {
            self.step(Step::Prepare)?;
            let busy = self.step(Step::Sequence)? | self.step(Step::Commit)? | self.step(Step::Seal)?;
            if !busy && self.waiting.is_empty() {
                return Ok(());
            }
        }
        Err("appends are never answered".to_owned())
    }

    /// Checks all promises against the open store.
    pub fn check(&mut self) -> Result<(), Broken> {
        let engine = self.engine.as_ref().ok_or("the store is not open")?;
        self.oracle.check(engine)
    }

    /// Closes the store cleanly.
    pub fn close(&mut self) -> Result<(), Broken> {
        if let Some(engine) = &self.engine {
            engine.close();
        }
        self.hear()?;
        self.engine = None;
        Ok(())
    }

    /// Kills the process; what it wrote stays in the page cache.
    pub fn kill(&mut self) {
        self.engine = None;
        self.waiting.clear();
        self.oracle.forget_waiting();
        self.disk.kill();
    }

    /// Cuts the power; `keep` decides which undecided writes survive.
    pub fn crash(&mut self, keep: &mut dyn FnMut() -> bool) {
        self.kill();
        self.disk.crash(keep);
    }

    /// Cuts the power at the next operation, or after this many more.
    pub fn cut_power_after(&self, operations: u64) {
        let cut = Some(self.disk.ops() + operations);
        self.disk.set_faults(Faults { power_cut_at: cut, ..Faults::default() });
    }
}
