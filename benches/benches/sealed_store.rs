//! A store of many events, most of them sealed: how fast it takes them, how much memory it needs, how soon it opens
//! again, and what its answers cost. Ten million events, or as many as `ALLSOURCE_BENCH_EVENTS` says. With `ALLSOURCE_BENCH_KEEP` the store stays, and a later run with
//! `ALLSOURCE_BENCH_STORE` asks it again, only what `ALLSOURCE_BENCH_ONLY` says.

use std::collections::VecDeque;
use std::error::Error;
use std::time::Duration;

use allsource_benches::{Bench, memory, now};
use allsource_engine::event::{Entity, EntityId, EventType, Filter, NewEvent, TenantId};
use allsource_engine::measure::rate;
use allsource_engine::{AsOf, Batch, Engine, Query};
use criterion::Criterion;

const ENTITIES: u64 = 100_000;
const TYPES: u64 = 20;
const MILLION: u64 = 1_000_000;

/// The number of the entity of an event: neighbours in the log are about different ones.
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

fn measure<R>(name: &str, times: u32, mut work: impl FnMut(u64) -> R) {
    if std::env::var("ALLSOURCE_BENCH_ONLY").is_ok_and(|only| !name.contains(&only)) {
        return;
    }
    let mut took = Vec::with_capacity(times as usize);
    for number in 0..u64::from(times) {
        let started = now();
        std::hint::black_box(work(number));
        took.push(now() - started);
    }
    took.sort_unstable();
    let quantile = |per_mille: usize| took[(took.len() - 1) * per_mille / 1000];
    println!("{name:<44} median {:>9.2?}  p99 {:>9.2?}", quantile(500), quantile(990));
}

fn queries(engine: &Engine, count: u64) -> Result<(), Box<dyn Error>> {
    let tenant = TenantId::default();
    let pick = |number: u64| number.wrapping_mul(0x9e37_79b9_7f4a_7c15) % count;
    let hundred = |number: u64| Query::entity(&entity_of(pick(number))).limit(100);
    let read = |query: &Query| {
        engine.read(query).expect("readable").fold(0, |count, event| count + usize::from(event.is_ok()))
    };
    for _ in 0..2 {
        measure("entity of 100, any", 20_000, |number| read(&hundred(number)));
    }
    measure("entity of 100, one of 64", 20_000, |number| read(&hundred(number % 64)));
    let of_type = |number: u64| {
        let event_type = EventType::new(format!("order.type-{:02}", number % TYPES)).ok();
        Query::matching(Filter { event_type, ..Filter::tenant(tenant.clone()) })
    };
    measure("newest 100 of a type", 5_000, |number| read(&of_type(number).newest_first().limit(100)));
    let positions = (0..20_000).map(pick).map(|number| number + 1);
    let ids: Vec<_> = positions
        .map(|position| {
            let from = allsource_engine::Position::new(position);
            let query = Query { from, limit: Some(1), ..Query::all() };
            engine.read(&query).expect("readable").next().expect("an event").expect("whole").id()
        })
        .collect();
    for _ in 0..2 {
        measure("event by id", 20_000, |number| {
            engine.event(&tenant, ids[number as usize]).expect("readable")
        });
    }
    for _ in 0..2 {
        measure("head of an entity", 20_000, |number| {
            engine.head(&entity_of(pick(number))).expect("readable")
        });
    }
    let unknown =
        |number: u64| Entity::of(tenant.clone(), EntityId::new(format!("none-{number}")).expect("a name"));
    measure("head of an unknown entity", 20_000, |number| engine.head(&unknown(number)).expect("readable"));
    measure("state from events, one of 64", 5_000, |number| {
        engine.fold(&entity_of(pick(number % 64)), AsOf::Now).expect("readable")
    });
    measure("state from events, any", 5_000, |number| {
        engine.fold(&entity_of(pick(number)), AsOf::Now).expect("readable")
    });
    measure("count of a type", 200, |number| engine.count(&of_type(number)).expect("readable"));
    for _ in 0..if std::env::var("ALLSOURCE_BENCH_ONLY").is_ok() { 0 } else { 2 } {
        let started = now();
        let scanned = read(&Query::all()) as u64;
        println!("scan in position order: {:.2} million events/s", rate(scanned, now() - started) / 1e6);
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let criterion = Criterion::default().configure_from_args();
    let count: u64 =
        std::env::var("ALLSOURCE_BENCH_EVENTS").map_or(Ok(10 * MILLION), |count| count.parse())?;
    if let Ok(path) = std::env::var("ALLSOURCE_BENCH_STORE") {
        return queries(&Engine::open(path)?, count);
    }
    let Bench { engine, folder, .. } = Bench::new()?;
    let path = folder.path().join("store");
    let (first, last, peak) = ingest(&engine, count)?;
    println!("last million at {:.2} of the first, peak anonymous memory {} MiB", last / first, peak >> 20);
    let stalled = Duration::from_micros(engine.counters().stalled_micros);
    println!("appends waited {stalled:.2?} for sealing; {:?}", engine.counters());
    drop(engine);
    let started = now();
    let engine = Engine::open(&path)?;
    engine.fold(&entity_of(7), AsOf::Now)?;
    println!("opened and answered in {:.2?}, {}", now() - started, memory());
    engine.seal()?;
    let index_bytes: u64 = std::fs::read_dir(path.join("segments"))?
        .filter_map(Result::ok)
        .filter(|entry| entry.path().extension().is_some_and(|end| end == "idx"))
        .filter_map(|entry| entry.metadata().ok())
        .map(|metadata| metadata.len())
        .sum();
    println!(
        "index: {:.1} bytes an event in {} generations",
        index_bytes as f64 / count as f64,
        engine.counters().generations
    );
    queries(&engine, count)?;
    if std::env::var("ALLSOURCE_BENCH_KEEP").is_ok() {
        println!("kept: {}", folder.keep().display());
    }
    drop(criterion);
    Ok(())
}
