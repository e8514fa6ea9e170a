//! Sealed stores: the same answers, whether events lie in memory, in segments or in merged segments.

pub(crate) mod contradictions;
mod holders;
mod sections;
mod unavailable;
mod upkeep;

use std::sync::Arc;

use allsource_engine::event::{Entity, EntityId, Filter, NewEvent, TenantId, Timestamp};
use allsource_engine::platform::sim::{Faults, Seeded, SimClock, SimDisk, SimEntropy};
use allsource_engine::{
    AsOf, Batch, Cause, Durability, Engine, Health, LookUp, Message, Options, Query, ReadMode, Resident,
    Start, Step,
};
use allsource_tests::queries;

/// A store on a simulated machine that is sealed and merged by hand.
struct Store {
    disk: SimDisk,
    clock: Arc<SimClock>,
    engine: Engine,
    opened: u64,
    number: u64,
}

fn options(read_mode: ReadMode) -> Options {
    let (journal_file_bytes, snapshot_events) = (64 << 10, 10);
    Options { partitions: 4, journal_file_bytes, read_mode, snapshot_events, ..Options::default() }
}

impl Store {
    fn new(read_mode: ReadMode) -> Self {
        Self::with(options(read_mode))
    }

    fn with(options: Options) -> Self {
        let (disk, clock) = (SimDisk::new(1), Arc::new(SimClock::at(1_700_000_000_000_000)));
        let engine = Self::open(&disk, &clock, options, 0);
        Self { disk, clock, engine, opened: 0, number: 0 }
    }

    fn open(disk: &SimDisk, clock: &Arc<SimClock>, options: Options, seed: u64) -> Engine {
        let entropy = Arc::new(SimEntropy::seeded(seed));
        Engine::open_by_hand(Arc::new(disk.clone()), clock.clone(), entropy, options).unwrap()
    }

    fn reopen(&mut self, read_mode: ReadMode) {
        self.engine.close();
        self.disk.kill();
        self.opened += 1;
        self.engine = Self::open(&self.disk, &self.clock, options(read_mode), self.opened);
    }

    fn settle(&self) {
        loop {
            self.engine.step(Step::Prepare);
            if !(self.engine.step(Step::Sequence) | self.engine.step(Step::Commit)) {
                return;
            }
        }
    }

    fn append(&mut self, random: &mut Seeded, count: u64) {
        for _ in 0..count {
            self.number += 1;
            let tenant = if random.chance(200) { "acme" } else { "default" };
            let id = format!("entity-{}", random.below(9));
            let entity = Entity::of(TenantId::new(tenant).unwrap(), EntityId::new(id).unwrap());
            let types = ["order.placed", "order.paid", "stock.moved", "user.created"];
            let payload = format!(
                "{{\"member-{}\":{},\"filling\":\"{}\"}}",
                random.below(5),
                self.number,
                "x".repeat(random.below(400) as usize)
            );
            let mut event = NewEvent::json(types[random.below(4) as usize], payload).unwrap();
            for _ in 0..random.below(3) {
                event = event.tag(format!("tag-{}", random.below(4))).unwrap();
            }
            if random.chance(300) {
                event = event.timestamp(Timestamp::from_micros(random.below(1_000_000_000) as i64));
            }
            drop(self.engine.append(Batch::to(&entity).event(event)));
            self.clock.advance(1000);
        }
        self.settle();
    }

    fn seal(&self) -> bool {
        self.engine.step(Step::Freeze);
        self.settle();
        self.engine.step(Step::Seal)
    }
}

#[test]
fn answers_do_not_depend_on_where_events_lie() {
    for (seed, mode) in [(1, ReadMode::Map), (2, ReadMode::Read), (3, ReadMode::Map)] {
        let mut random = Seeded::new(seed);
        let mut store = Store::new(mode);
        let mut merges = 0;
        for round in 0..60 {
            let count = random.below(60);
            store.append(&mut random, count);
            match random.below(4) {
                0 => drop(store.engine.step(Step::Freeze)),
                1 | 2 => drop(store.seal()),
                _ => {}
            }
            merges += u64::from(store.engine.step(Step::Merge));
            store.engine.step(Step::Snapshot);
            queries::check(&store.engine, &mut random, 40)
                .unwrap_or_else(|broken| panic!("round {round}: {broken}"));
            if random.chance(200) {
                store.reopen(mode);
                queries::check(&store.engine, &mut random, 40)
                    .unwrap_or_else(|broken| panic!("reopened: {broken}"));
            }
        }
        let counters = store.engine.counters();
        assert!(merges > 0 && counters.sealed_position > 100, "{counters:?}");
    }
}

/// Under weak durability the log may end before a snapshot taken from it, and continue differently.
#[test]
pub(crate) fn a_snapshot_of_events_that_a_crash_took_back_is_not_believed() {
    let (disk, clock) = (SimDisk::new(1), Arc::new(SimClock::at(1_700_000_000_000_000)));
    let open = |disk: &SimDisk| {
        let options = Options { durability: Durability::None, ..options(ReadMode::Map) };
        Engine::open_by_hand(Arc::new(disk.clone()), clock.clone(), Arc::new(SimEntropy::seeded(1)), options)
            .unwrap()
    };
    let entity = Entity::new("a").unwrap();
    let append = |engine: &Engine, payload: &str| {
        drop(engine.append(Batch::to(&entity).event(NewEvent::json("t", payload).unwrap())));
        engine.step(Step::Prepare);
        engine.step(Step::Sequence);
        engine.step(Step::Commit);
    };
    let engine = open(&disk);
    append(&engine, r#"{"of":"the first life"}"#);
    assert_eq!(engine.snapshot(&entity).unwrap().unwrap().state.to_json(), r#"{"of":"the first life"}"#);
    let crashed = disk.fork();
    // A clean close writes it.
    engine.close();
    drop(engine);
    let path = disk.paths().into_iter().find(|path| path.starts_with("snapshots/")).unwrap();
    let snapshot = disk.contents(&path).unwrap();
    let disk = crashed;
    disk.kill();
    disk.crash(&mut || false);
    disk.damage(&path, snapshot);
    let engine = open(&disk);
    append(&engine, r#"{"is":"the second life"}"#);
    let state = engine.fold(&entity, AsOf::Now).unwrap().unwrap();
    assert_eq!((state.event_count(), state.to_json().as_str()), (1, r#"{"is":"the second life"}"#));
}

#[test]
fn snapshots_are_taken_listed_merged_and_found_again() {
    let mut random = Seeded::new(9);
    let mut store = Store::new(ReadMode::Map);
    let entity = Entity::new("entity-1").unwrap();
    for round in 0..30 {
        store.append(&mut random, 30);
        if round % 3 == 0 {
            store.engine.snapshot(&entity).unwrap();
        }
        store.engine.step(Step::Snapshot);
    }
    let tenant = TenantId::default();
    let (all, total) = store.engine.snapshots(&tenant, None, 10_000);
    let (own, _) = store.engine.snapshots(&tenant, Some(&entity), 10_000);
    assert!(total == all.len() as u64 && own.len() > 5, "{total} {}", own.len());
    assert!(all.iter().any(|snapshot| snapshot.cause == Cause::Automatic));
    assert!(own.iter().any(|snapshot| snapshot.cause == Cause::Manual));
    assert!(own.is_sorted_by_key(|snapshot| std::cmp::Reverse(snapshot.state.version())));
    let files = store.disk.paths().into_iter().filter(|path| path.ends_with(".snp")).count();
    assert!(files < 10, "files were not merged: {files}");
    let newest = own[0].clone();
    store.reopen(ReadMode::Map);
    assert_eq!(store.engine.latest_snapshot(&entity).unwrap().id, newest.id);
    queries::check(&store.engine, &mut random, 40).unwrap();
    // A damaged file loses no data.
    for path in store.disk.paths().into_iter().filter(|path| path.ends_with(".snp")) {
        let mut bytes = store.disk.contents(&path).unwrap();
        bytes[4096 + 40] ^= 1;
        store.disk.damage(&path, bytes);
    }
    store.reopen(ReadMode::Map);
    queries::check(&store.engine, &mut random, 40).unwrap();
}

#[test]
fn the_scrubber_finds_what_the_medium_has_lost_and_rewrites_an_index() {
    let mut random = Seeded::new(4);
    let mut store = Store::new(ReadMode::Map);
    store.append(&mut random, 50);
    assert!(store.seal());
    queries::check(&store.engine, &mut random, 10).unwrap();
    let damage = |end: &str| {
        let path = store.disk.paths().into_iter().find(|path| path.ends_with(end)).unwrap();
        let mut bytes = store.disk.contents(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        store.disk.damage(&path, bytes);
        path
    };
    // The mapping is intact; only the medium is damaged.
    let index = damage(".idx");
    let good = store.disk.contents(&index).unwrap();
    while store.engine.counters().scrubbed_bytes < 400_000 && store.engine.health() == Health::Serving {
        store.clock.advance(100_000);
        store.engine.step(Step::Scrub);
    }
    assert!(matches!(store.engine.health(), Health::Damaged(damages) if damages[0].file == index));
    assert!(store.engine.step(Step::Index));
    assert_eq!(store.engine.health(), Health::Serving);
    assert!(store.disk.contents(&index).unwrap() != good, "the file was rewritten");
    let segment = damage(".seg");
    store.clock.advance(3_600_000_000);
    for _ in 0..20 {
        store.clock.advance(1_000_000);
        store.engine.step(Step::Scrub);
    }
    assert!(matches!(store.engine.health(), Health::Damaged(damages) if damages[0].file == segment));
}

#[test]
fn a_full_disk_while_sealing_loses_nothing_is_reported_and_sealing_resumes() {
    let mut random = Seeded::new(6);
    let mut store = Store::new(ReadMode::Map);
    store.append(&mut random, 60);
    store.engine.step(Step::Prepare);
    let used: usize = store.disk.paths().iter().map(|path| store.disk.contents(path).unwrap().len()).sum();
    let before = store.disk.paths();
    // Room for some of the files, but not for all.
    store.disk.set_faults(Faults { room: Some(used as u64 + 20_000), ..Faults::default() });
    store.engine.step(Step::Freeze);
    store.settle();
    assert!(!store.engine.step(Step::Seal));
    assert!(matches!(store.engine.health(), Health::NotSealing(_)), "{:?}", store.engine.health());
    assert_eq!(store.disk.paths(), before, "partly written files were removed");
    queries::check(&store.engine, &mut random, 20).unwrap();
    store.append(&mut random, 5);
    queries::check(&store.engine, &mut random, 20).unwrap();
    // It rests: a nearly full disk is not written to in vain all the time.
    let before = store.disk.ops();
    assert!(!store.engine.step(Step::Seal));
    assert_eq!(store.disk.ops(), before);
    store.disk.set_faults(Faults::default());
    store.clock.advance(10_000_000);
    assert!(store.engine.step(Step::Seal));
    assert_eq!(store.engine.health(), Health::Serving);
    queries::check(&store.engine, &mut random, 20).unwrap();
    store.reopen(ReadMode::Map);
    queries::check(&store.engine, &mut random, 20).unwrap();
    assert_eq!(store.engine.watermark().unwrap().value(), 65);
}

#[test]
fn appends_wait_only_when_two_tails_are_frozen_and_a_third_is_full() {
    let mut random = Seeded::new(8);
    let mut store = Store::with(Options { seal_bytes: 20 << 10, ..options(ReadMode::Map) });
    let one = Entity::new("one").unwrap();
    let append = |store: &Store| {
        let event = NewEvent::json("t", format!("\"{}\"", "x".repeat(1000))).unwrap();
        let append = store.engine.append(Batch::to(&one).event(event));
        store.settle();
        append.try_wait()
    };
    let mut taken = 0;
    let waiting = loop {
        match append(&store) {
            Ok(answer) => taken += answer.map(|_| 1).unwrap(),
            Err(waiting) => break waiting,
        }
        assert!(taken < 1000, "appends never wait");
    };
    assert!((40..80).contains(&taken), "three tails of 20 KiB take {taken} events of 1 KiB");
    assert!(store.engine.step(Step::Seal));
    store.settle();
    assert_eq!(waiting.try_wait().unwrap().unwrap().events[0].version.value(), taken + 1);
    queries::check(&store.engine, &mut random, 10).unwrap();
    store.reopen(ReadMode::Map);
    queries::check(&store.engine, &mut random, 10).unwrap();
}

#[test]
fn a_reader_keeps_the_files_it_began_with_until_it_ends() {
    let mut random = Seeded::new(10);
    let mut store = Store::new(ReadMode::Map);
    let indexes = |store: &Store| store.disk.paths().iter().filter(|path| path.ends_with(".idx")).count();
    let (mut reader, before) = loop {
        store.append(&mut random, 12);
        assert!(store.seal());
        let before = indexes(&store);
        let mut reader = store.engine.read(&Query::all()).unwrap();
        assert_eq!(reader.next().unwrap().unwrap().position().value(), 1);
        if store.engine.step(Step::Merge) {
            break (reader, before);
        }
        assert!(before < 30, "generations are never merged");
    };
    assert_eq!(indexes(&store), before + 1, "the old files are still being read");
    let rest: Vec<u64> = reader.by_ref().map(|event| event.unwrap().position().value()).collect();
    assert_eq!(rest, (2..=store.number).collect::<Vec<_>>());
    drop(reader);
    assert_eq!(indexes(&store), before + 1, "no reader removes files");
    assert!(store.engine.step(Step::Reclaim) && !store.engine.step(Step::Reclaim));
    assert!(indexes(&store) <= before - 7, "the old ones went with their last reader");
    let mut live = store.engine.subscribe(Start::Beginning, Filter::all()).unwrap();
    let mut seen = 0;
    while let Some(Ok(Message::Event(event))) = live.try_next() {
        seen += 1;
        assert_eq!(event.position().value(), seen);
    }
    assert_eq!(seen, store.number, "a subscription catches up from sealed files");
}

/// An append that memory can decide must not touch a file; any other must report that it has to.
#[test]
fn a_look_up_in_memory_never_reads_a_file() {
    let mut random = Seeded::new(11);
    let mut store = Store::new(ReadMode::Read);
    store.append(&mut random, 20);
    assert!(store.seal());
    let of = |name: &str| Entity::of(TenantId::default(), EntityId::new(name).unwrap());
    let batch = |name: &str, id: Option<u128>| {
        let event = NewEvent::json("t", "{}").unwrap();
        let event = id.map_or(event.clone(), |id| event.id(uuid::Uuid::from_u128(id)));
        Batch::to(&of(name)).event(event)
    };
    let known = |batch: Batch| {
        let before = store.disk.ops();
        let prepared = store.engine.prepare(batch).unwrap();
        let known = matches!(store.engine.look_up_in_memory(prepared), LookUp::Ready(_));
        assert_eq!(store.disk.ops(), before, "a file was touched");
        known
    };
    assert!(!known(batch("new", None)), "the cache of heads has not seen it");
    let waiting = store.engine.append(batch("new", Some(1)));
    store.settle();
    waiting.try_wait().unwrap().unwrap();
    assert!(known(batch("new", None)), "the tail has it");
    assert!(known(batch("new", Some(1))), "the tail has the id");
    assert!(!known(batch("new", Some(2))), "only the index knows that the id is free");
    assert!(store.seal());
    assert!(!known(batch("new", None)), "the cache is older than the last seal");
    store.engine.head(&of("new")).unwrap();
    assert!(known(batch("new", None)), "the cache knows it now");
    let sealed = store.engine.event_in_memory(&TenantId::default(), uuid::Uuid::from_u128(1));
    assert!(matches!(sealed, Resident::NeedsFiles));

    let mut live = store.engine.subscribe(Start::Beginning, Filter::all()).unwrap();
    let (mut seen, mut reads) = (0, 0);
    loop {
        let before = store.disk.ops();
        let next = live.try_next_in_memory();
        assert_eq!(store.disk.ops(), before, "a file was touched");
        match next {
            Resident::NeedsFiles => {
                live.read_ahead().unwrap();
                reads += 1;
            }
            Resident::Known(Some(Ok(Message::Event(event)))) => {
                seen += 1;
                assert_eq!(event.position().value(), seen);
            }
            Resident::Known(Some(Ok(_))) => {}
            Resident::Known(Some(Err(error))) => panic!("{error}"),
            Resident::Known(None) => break,
        }
    }
    assert!(seen > 20 && reads > 0, "{seen} events, {reads} reads");
}

/// A tenant with more types than lists are worth joining is read event by event, with the same answers.
#[test]
fn a_tenant_of_many_types_gets_the_same_answers() {
    let mut random = Seeded::new(8);
    let store = Store::new(ReadMode::Map);
    for round in 0..3 {
        for number in 0..400 {
            let entity = Entity::new(format!("entity-{}", number % 7)).unwrap();
            let event = NewEvent::json(format!("type-{}", (number + round) % 200), "{}").unwrap();
            drop(
                store
                    .engine
                    .append(Batch::to(&entity).event(event.tag(format!("tag-{}", number % 3)).unwrap())),
            );
            store.clock.advance(1000);
            store.settle();
        }
        if round < 2 {
            assert!(store.seal());
        }
        queries::check(&store.engine, &mut random, 60).unwrap();
    }
    let (own, acme) = (Filter::tenant(TenantId::default()), Filter::tenant(TenantId::new("acme").unwrap()));
    let count = |filter: Filter| store.engine.read(&Query::matching(filter)).unwrap().count();
    assert_eq!((count(own.clone()), count(acme)), (1200, 0));
    assert_eq!(count(own.of_type_prefix("type-1").without_type_prefix("type-19")), 600);
}
