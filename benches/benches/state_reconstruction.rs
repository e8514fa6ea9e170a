//! Folds an entity's state from its events, and from a snapshot.

use std::error::Error;

use allsource_benches::Bench;
use allsource_engine::{AsOf, Options, Version};
use allsource_server::measure;
use criterion::Criterion;

fn main() -> Result<(), Box<dyn Error>> {
    let mut criterion = Criterion::default().configure_from_args();
    // Only the snapshot requested below.
    let bench = Bench::with(Options { snapshot_events: 0, ..Options::default() })?;
    for events in [10, 100, 1000] {
        let entity = measure::entity(&bench.engine, &format!("fold-{events}"), events)?;
        criterion.bench_function(&format!("state from {events} events"), |bencher| {
            bencher.iter(|| bench.engine.fold(&entity, AsOf::Now).expect("a fold"));
        });
        let half = Version::new(events / 2).ok_or("a version")?;
        criterion.bench_function(&format!("state as of version {half} of {events}"), |bencher| {
            bencher.iter(|| bench.engine.fold(&entity, AsOf::Version(half)).expect("a fold"));
        });
        bench.engine.snapshot(&entity)?.ok_or("a snapshot")?;
        criterion.bench_function(&format!("state from a snapshot of {events} events"), |bencher| {
            bencher.iter(|| bench.engine.fold(&entity, AsOf::Now).expect("a fold"));
        });
    }
    criterion.final_summary();
    Ok(())
}
