//! A large store, mostly sealed: how fast it ingests, how much memory it takes, how soon it reopens, and what queries
//! cost. `ALLSOURCE_BENCH_EVENTS` sets the number of events (ten million). With `ALLSOURCE_BENCH_KEEP` the store is
//! kept;
//! `ALLSOURCE_BENCH_STORE` then queries it again, and `ALLSOURCE_BENCH_ONLY` picks the queries by name.

use std::collections::VecDeque;
use std::error::Error;
use std::time::Duration;

use allsource_benches::{Bench, memory, now};
use allsource_engine::event::{Entity, EntityId, EventType, Filter, NewEvent, TenantId};
use allsource_engine::platform::{Disk, LocalDisk};
use allsource_engine::{AsOf, Batch, Engine, Options, Position, Query, Version};
use allsource_server::measure::rate;
use criterion::Criterion;

const ENTITIES: u64 = 100_000;
const TYPES: u64 = 20;
const MILLION: u64 = 1_000_000;
const LASTING: Duration = Duration::from_secs(8);

/// The entity of an event: neighbours in the log belong to different entities.
fn entity_of(number: u64) -> Entity {
    Entity::new(format!("entity-{:06}", number.wrapping_mul(48_271) % ENTITIES)).expect("a good name")
}

fn event_of(number: u64) -> NewEvent {
    let payload = format!(
        "{{\"number\":{number},\"status\":\"paid\",\"member_{}\":\"{:0>230}\"}}",
        number % 10,
        number
    );
    NewEvent::json(format!("order.type-{:02}", number % TYPES), payload).expect("a good event")
}

/// Turns automatic snapshots off, so that a state is folded from all its events until a snapshot is requested.
fn options() -> Options {
    let seal_bytes = std::env::var("ALLSOURCE_BENCH_SEAL_BYTES").ok().and_then(|bytes| bytes.parse().ok());
    let seal_bytes = seal_bytes.unwrap_or(Options::default().seal_bytes);
    Options { snapshot_events: 0, seal_bytes, ..Options::default() }
}

fn ingest(engine: &Engine, count: u64) -> Result<(f64, f64, u64), Box<dyn Error>> {
    let (mut rates, mut peak) = (Vec::new(), 0);
    let mut started = now();
    let mut waiting = VecDeque::new();
    for first in (0..count).step_by(1000) {
        let mut batch = Batch::to(&entity_of(first)).event(event_of(first));
        for number in first + 1..first + 1000 {
            batch = batch.and_to(&entity_of(number)).event(event_of(number));
        }
        waiting.push_back(engine.append(batch));
        while waiting.len() > 4 {
            waiting.pop_front().map(|append| append.wait()).transpose()?;
        }
        if (first + 1000).is_multiple_of(MILLION) {
            rates.push(rate(MILLION, now() - started));
            started = now();
            println!(
                "{:>3} million: {:>7.0} events/s, {}",
                (first + 1000) / MILLION,
                rates[rates.len() - 1],
                memory()
            );
        }
        peak = peak.max(memory().anonymous);
    }
    waiting.into_iter().try_for_each(|append| append.wait().map(drop))?;
    Ok((rates[0], rates[rates.len() - 1], peak))
}

/// Runs `work` up to `times` times, but stops after [`LASTING`], and prints the median and p99.
fn measure(name: &str, times: u32, mut work: impl FnMut(u64)) {
    if std::env::var("ALLSOURCE_BENCH_ONLY").is_ok_and(|only| !name.contains(&only)) {
        return;
    }
    let (mut took, began) = (Vec::with_capacity(times as usize), now());
    for number in 0..u64::from(times) {
        let started = now();
        work(number);
        took.push(now() - started);
        if now() - began > LASTING {
            break;
        }
    }
    took.sort_unstable();
    let quantile = |per_mille: usize| took[(took.len() - 1) * per_mille / 1000];
    println!("{name:<44} median {:>9.2?}  p99 {:>9.2?}", quantile(500), quantile(990));
}

/// Runs queries of every kind and checks every answer.
fn queries(engine: &Engine, count: u64) -> Result<(), Box<dyn Error>> {
    let tenant = TenantId::default();
    let pick = |number: u64| number.wrapping_mul(0x9e37_79b9_7f4a_7c15) % count;
    let (each, of_a_type) = (count / ENTITIES, count / TYPES);
    let read = |query: &Query| {
        engine.read(query).expect("readable").fold(0, |count, event| count + u64::from(event.is_ok()))
    };
    let hundred = |number: u64| {
        assert_eq!(read(&Query::entity(&entity_of(pick(number))).limit(100)), each.min(100));
    };
    for _ in 0..2 {
        measure("entity of 100, any", 20_000, hundred);
    }
    measure("entity of 100, one of 64", 20_000, |number| hundred(number % 64));
    let of_type = |number: u64| {
        let event_type = EventType::new(format!("order.type-{:02}", number % TYPES)).expect("a name");
        Query::matching(Filter::tenant(tenant.clone()).of_type(event_type))
    };
    measure("newest 100 of a type", 5_000, |number| {
        assert_eq!(read(&of_type(number).newest_first().limit(100)), of_a_type.min(100));
    });
    let event_at = |position: u64| {
        let query = Query { from: Position::new(position), limit: Some(1), ..Query::all() };
        engine.read(&query).expect("readable").next().expect("an event").expect("whole")
    };
    let ids: Vec<_> = (0..20_000).map(|number| (pick(number) + 1, event_at(pick(number) + 1).id())).collect();
    let by_id = |number: u64| {
        let (position, id) = ids[number as usize];
        let found = engine.event(&tenant, id).expect("readable").expect("an event");
        assert_eq!(found.position().value(), position);
    };
    for _ in 0..2 {
        measure("event by id, any", 20_000, by_id);
    }
    measure("event by id, one of 64", 20_000, |number| by_id(number % 64));
    for _ in 0..2 {
        measure("head of an entity", 20_000, |number| {
            let head = engine.head(&entity_of(pick(number))).expect("readable");
            assert_eq!(head.map(Version::value), Some(each));
        });
    }
    measure("head of an unknown entity", 20_000, |number| {
        let unknown = EntityId::new(format!("none-{number}")).expect("a name");
        assert!(engine.head(&Entity::of(tenant.clone(), unknown)).expect("readable").is_none());
    });
    let state = |number: u64| {
        let state = engine.fold(&entity_of(pick(number)), AsOf::Now).expect("readable").expect("a state");
        assert_eq!(state.event_count(), each);
    };
    measure("state from events, one of 64", 5_000, |number| state(number % 64));
    measure("state from events, any", 5_000, state);
    // Few enough snapshots that each is written as soon as it is taken.
    measure("snapshot of an entity, one of 64", 64, |number| {
        assert!(engine.snapshot(&entity_of(pick(number))).expect("readable").is_some());
    });
    measure("state from a snapshot, one of 64", 20_000, |number| state(number % 64));
    measure("count of a type", 200, |number| {
        assert_eq!(engine.count(&of_type(number)), Ok(Some(of_a_type)));
    });
    let (since, until) = (event_at(count / 4).timestamp(), event_at(count / 2).timestamp());
    measure("count of a type between two times", 50, |number| {
        let between = Query::matching(of_type(number).filter.since(since).until(until));
        assert!(engine.count(&between).expect("readable").expect("known").abs_diff(of_a_type / 4) <= 1000);
    });
    for _ in 0..if std::env::var("ALLSOURCE_BENCH_ONLY").is_ok_and(|only| only != "scan") { 0 } else { 2 } {
        let started = now();
        let scanned = read(&Query::all());
        let took = now() - started;
        assert_eq!(scanned, count);
        println!("scan in position order: {:.2} million events/s, {took:.1?}", rate(scanned, took) / 1e6);
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let criterion = Criterion::default().configure_from_args();
    let count: u64 =
        std::env::var("ALLSOURCE_BENCH_EVENTS").map_or(Ok(10 * MILLION), |count| count.parse())?;
    if let Ok(path) = std::env::var("ALLSOURCE_BENCH_STORE") {
        return queries(&Engine::open_with(path, options())?, count);
    }
    let Bench { engine, folder, .. } = Bench::with(options())?;
    let path = folder.path().join("store");
    let (first, last, peak) = ingest(&engine, count)?;
    println!(
        "last million at {:.2} times the rate of the first, peak anonymous memory {} MiB",
        last / first,
        peak >> 20
    );
    let stalled = Duration::from_micros(engine.counters().stalled_micros);
    println!("appends waited {stalled:.2?} for the sealer; {:?}", engine.counters());
    drop(engine);
    let started = now();
    let engine = Engine::open_with(&path, options())?;
    engine.fold(&entity_of(7), AsOf::Now)?;
    println!("opened and answered a query in {:.2?}, {}", now() - started, memory());
    engine.seal()?;
    let disk = LocalDisk::new(&path);
    let names = disk.list("segments")?;
    let indexes = names.iter().filter(|name| name.ends_with(".idx"));
    let lengths = indexes.map(|name| disk.open_read_only(&format!("segments/{name}"))?.length());
    let index_bytes: u64 = lengths.sum::<Result<u64, _>>()?;
    let generations = engine.counters().generations;
    println!("index: {:.1} bytes per event in {generations} generations", index_bytes as f64 / count as f64);
    queries(&engine, count)?;
    if std::env::var("ALLSOURCE_BENCH_KEEP").is_ok() {
        println!("kept: {}", folder.keep().display());
    }
    drop(criterion);
    Ok(())
}
