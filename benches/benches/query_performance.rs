//! Reads from a tail that holds 200,000 other events.

use std::error::Error;
use std::hint::black_box;

use allsource_benches::Bench;
use allsource_engine::event::{EventType, Filter, TenantId};
use allsource_engine::{Engine, Query};
use allsource_server::measure::{entity, in_flight};
use criterion::Criterion;

fn read(engine: &Engine, query: &Query) -> usize {
    let mut events = 0;
    for event in engine.read(query).expect("a read") {
        black_box(event.expect("an event"));
        events += 1;
    }
    events
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut criterion = Criterion::default().configure_from_args();
    let bench = Bench::new()?;
    in_flight(&bench.engine, 512, 200_000)?;
    let entity = entity(&bench.engine, "read-me", 100)?;
    let newest = bench.engine.read(&Query::entity(&entity).newest_first())?.next().ok_or("no event")??;
    let by_type = Filter::tenant(TenantId::default()).of_type(EventType::new("order.paid")?);
    let queries = [
        ("100 events of an entity", Query::entity(&entity)),
        ("newest 100 of a type", Query::matching(by_type.clone()).newest_first().limit(100)),
        ("oldest 100 of everything", Query::all().limit(100)),
    ];
    for (name, query) in &queries {
        criterion.bench_function(name, |bencher| bencher.iter(|| read(&bench.engine, query)));
    }
    criterion.bench_function("one event by id", |bencher| {
        bencher.iter(|| bench.engine.event(&TenantId::default(), newest.id()).expect("a read"));
    });
    criterion.bench_function("version of an entity", |bencher| {
        bencher.iter(|| bench.engine.head(&entity).expect("a read"));
    });
    criterion.bench_function("count of a type", |bencher| {
        bencher.iter(|| bench.engine.count(&Query::matching(by_type.clone())));
    });
    criterion.final_summary();
    Ok(())
}
