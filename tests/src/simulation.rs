//! Seeded simulation: random appends, steps, faults and crashes, with every promise checked after each restart.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use allsource_engine::event::{Entity, Filter, Tag, TenantId};
use allsource_engine::platform::sim::{Faults, Seeded};
use allsource_engine::{ExpectedVersion, Query, Step};

use crate::oracle::Broken;
use crate::queries;
use crate::world::{World, entity};

/// Counts of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ran {
    /// Events acknowledged.
    pub acknowledged: usize,
    /// Crashes and kills.
    pub crashes: u64,
    /// Tails sealed.
    pub seals: u64,
    /// Merges of generations.
    pub merges: u64,
    /// Disk faults switched on.
    pub faults: u64,
    /// A hash over every disk operation: equal for equal seeds.
    pub trace: u64,
}

/// Runs one seed.
pub fn run(seed: u64, actions: u64) -> Result<Ran, Broken> {
    let mut simulation = Simulation {
        world: World::new(seed),
        random: Seeded::new(seed),
        ran: Ran::default(),
        sent: Vec::new(),
    };
    simulation.world.disk.trace();
    let outcome = simulation.run(actions);
    let mut hasher = DefaultHasher::new();
    simulation.world.disk.trace().hash(&mut hasher);
    let ran = Ran {
        acknowledged: simulation.world.oracle.acknowledged(),
        trace: hasher.finish(),
        ..simulation.ran
    };
    outcome.map(|()| ran).map_err(|broken| format!("seed {seed}, {actions} actions: {broken}"))
}

/// The fewest actions after which a failing seed still fails.
pub fn shrink(seed: u64, actions: u64) -> u64 {
    let (mut passes, mut fails) = (0, actions);
    while fails - passes > 1 {
        let middle = passes + (fails - passes) / 2;
        if run(seed, middle).is_err() { fails = middle } else { passes = middle }
    }
    fails
}

struct Simulation {
    world: World,
    random: Seeded,
    ran: Ran,
    sent: Vec<(Entity, u64)>,
}

impl Simulation {
    fn run(&mut self, actions: u64) -> Result<(), Broken> {
        self.reopen()?;
        for _ in 0..actions {
            self.act()?;
        }
        self.crash()?;
        self.world.settle()?;
        self.world.check()
    }

    fn act(&mut self) -> Result<(), Broken> {
        match self.random.below(100) {
            0..24 => self.append(),
            24..29 => self.append_again(),
            29..52 => self.world.step(Step::Sequence).map(drop),
            52..75 => self.world.step(Step::Commit).map(drop),
            75..79 => self.world.step(Step::Prepare).map(drop),
            79..82 => self.world.step(Step::Mark).map(drop),
            82..84 => self.world.step(Step::Freeze).map(drop),
            84..87 => self.upkeep(Step::Seal),
            87 => self.upkeep(Step::Merge),
            88 if self.random.chance(500) => self.upkeep(Step::Index),
            88 if self.random.chance(200) => self.upkeep(Step::Scrub),
            88 if self.random.chance(200) => self.upkeep(Step::Check),
            88 => self.upkeep(Step::Snapshot),
            89..91 => {
                self.world.clock.advance(i64::try_from(self.random.below(2000)).unwrap_or(0) - 500);
                Ok(())
            }
            91..95 => self.check_reads(),
            95..97 => self.break_disk(),
            97 => {
                self.world.close()?;
                self.world.kill();
                self.reopen()
            }
            98 => {
                self.ran.crashes += 1;
                self.world.kill();
                self.reopen()
            }
            _ => self.crash(),
        }
    }

    /// Checks all promises. While the disk fails, a read may also be refused.
    fn check(&mut self) -> Result<(), Broken> {
        let faults = self.world.disk.faults();
        let is_failing = faults.read_error > 0 || faults.read_flip > 0 || faults.power_cut_at.is_some();
        match self.world.check() {
            Err(broken) if is_failing && broken.starts_with("segments/") => Ok(()),
            other => other,
        }
    }

    fn upkeep(&mut self, step: Step) -> Result<(), Broken> {
        if self.world.step(step)? {
            match step {
                Step::Seal => self.ran.seals += 1,
                Step::Merge => self.ran.merges += 1,
                _ => {}
            }
        }
        Ok(())
    }

    fn entity(&mut self) -> Entity {
        let tenant = if self.random.chance(300) { "acme" } else { "default" };
        entity(tenant, ["a", "b", "c"][self.random.below(3) as usize])
    }

    fn append(&mut self) -> Result<(), Broken> {
        let count = 1 + self.random.below(3);
        let mut wanted = Vec::new();
        for _ in 0..count {
            let entity = self.entity();
            let expected = match self.random.below(6) {
                0 => ExpectedVersion::Empty,
                1 => ExpectedVersion::number(self.random.below(8)),
                2 => ExpectedVersion::Exists,
                _ => ExpectedVersion::Any,
            };
            wanted.push((entity, expected, self.random.chance(600)));
        }
        let numbers = self.world.send(&wanted)?;
        if wanted.len() == 1 && wanted[0].2 {
            self.sent.push((wanted[0].0.clone(), numbers[0]));
        }
        Ok(())
    }

    /// A client that got no answer sends the same event again.
    fn append_again(&mut self) -> Result<(), Broken> {
        let chosen = self.random.below(self.sent.len() as u64) as usize;
        match self.sent.get(chosen).cloned() {
            Some((entity, number)) => self.world.send_again(&entity, number),
            None => Ok(()),
        }
    }

    /// Readers see what was promised, and a tenant sees only its own events.
    fn check_reads(&mut self) -> Result<(), Broken> {
        self.check()?;
        let Some(engine) = &self.world.engine else { return Ok(()) };
        if self.world.disk.faults().power_cut_at.is_some() {
            return Ok(());
        }
        let mut sum = 0;
        for tenant in ["default", "acme"] {
            let tenant = TenantId::new(tenant).expect("a good name");
            let query = Query::matching(Filter::tenant(tenant.clone()));
            let events: Vec<_> = engine
                .read(&query)
                .and_then(Iterator::collect)
                .map_err(|error: allsource_engine::ReadError| error.to_string())?;
            if events.iter().any(|event| event.tenant() != tenant.as_str()) {
                return Err(format!("{tenant} sees another tenant's events"));
            }
            let tag = Tag::new("t").expect("a good name");
            let tagged = Query::matching(Filter::tenant(tenant.clone()).tagged(tag));
            let found = engine.read(&tagged).map_err(|error| error.to_string())?.count();
            let carrying = events.iter().filter(|event| event.tags().any(|tag| tag == "t")).count();
            if found != carrying {
                return Err(format!("{found} events are found by their tag, but {carrying} carry it"));
            }
            sum += events.len() as u64;
        }
        queries::check(engine, &mut self.random, 4)?;
        let watermark = engine.watermark().map_or(0, |position| position.value());
        if sum == watermark { Ok(()) } else { Err(format!("tenants see {sum} of {watermark} events")) }
    }

    fn break_disk(&mut self) -> Result<(), Broken> {
        self.ran.faults += 1;
        let faults = match self.random.below(6) {
            0 => Faults { write_error: 200, ..Faults::default() },
            5 => Faults { full_write: 400, ..Faults::default() },
            1 => Faults { sync_error: 300, ..Faults::default() },
            2 => Faults { room: Some(self.random.below(200 << 10)), ..Faults::default() },
            3 => Faults {
                power_cut_at: Some(self.world.disk.ops() + self.random.below(12)),
                ..Faults::default()
            },
            _ => Faults::default(),
        };
        self.world.disk.set_faults(faults);
        Ok(())
    }

    fn crash(&mut self) -> Result<(), Broken> {
        self.ran.crashes += 1;
        let rate = self.random.below(1001) as u32;
        let random = &mut self.random;
        self.world.crash(&mut || random.chance(rate));
        self.reopen()
    }

    /// Opens the store, sometimes with more faults: then it may refuse, but the next attempt must succeed.
    fn reopen(&mut self) -> Result<(), Broken> {
        for _ in 0..self.random.below(3) {
            let faults = match self.random.below(6) {
                0 => Faults {
                    power_cut_at: Some(self.world.disk.ops() + self.random.below(30)),
                    ..Faults::default()
                },
                1 => Faults { read_error: 100, ..Faults::default() },
                2 => Faults { read_flip: 200, ..Faults::default() },
                3 => Faults { room: Some(self.random.below(400 << 10)), ..Faults::default() },
                4 => Faults { full_write: 200, ..Faults::default() },
                _ => Faults { sync_error: 200, write_error: 100, ..Faults::default() },
            };
            self.world.disk.set_faults(faults);
            if self.world.open().is_ok() {
                self.check()?;
            }
            let rate = self.random.below(1001) as u32;
            let random = &mut self.random;
            self.world.crash(&mut || random.chance(rate));
        }
        self.world.disk.set_faults(Faults::default());
        self.world.open().map_err(|error| format!("does not open: {error}"))?;
        self.world.check()
    }
}
