//! Appends by one writer, and in batches.

use std::error::Error;

use allsource_benches::Bench;
use allsource_engine::Batch;
use allsource_server::measure::{batches, event};
use criterion::{Criterion, Throughput};

fn main() -> Result<(), Box<dyn Error>> {
    let mut criterion = Criterion::default().configure_from_args();
    let mut bench = Bench::new()?;
    let mut group = criterion.benchmark_group("ingestion_throughput");
    group.sample_size(30).throughput(Throughput::Elements(1));
    let mut number = 0;
    group.bench_function("one writer, one event, sync", |bencher| {
        bencher.iter(|| {
            number += 1;
            let (entity, event) = event(number, 300).expect("an event");
            bench.engine.append(Batch::to(&entity).event(event)).wait().expect("an append")
        });
    });
    group.finish();
    let measured = batches(&bench.engine, &mut bench.floor, 600)?;
    println!(
        "batches of 1,000: {:.0} events/s, floor {:.0}/s, ratio {:.2}, {:?} of processor time per event",
        measured.engine,
        measured.floor,
        measured.engine / measured.floor,
        measured.cpu_per_event
    );
    criterion.final_summary();
    Ok(())
}
