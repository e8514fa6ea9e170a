//! Single-event appends with many in flight: what group commit gains.

use std::error::Error;

use allsource_benches::Bench;
use allsource_server::measure::{in_flight, one_writer, rate};
use criterion::{Criterion, Throughput};

fn main() -> Result<(), Box<dyn Error>> {
    let mut criterion = Criterion::default().configure_from_args();
    let mut bench = Bench::new()?;
    let alone = rate(1, one_writer(&bench.engine, &mut bench.floor, 2_000)?.engine.median());
    println!("one writer: {alone:.0} events/s");
    let mut group = criterion.benchmark_group("concurrent_writes");
    group.sample_size(10).throughput(Throughput::Elements(20_000));
    for window in [8, 64, 512] {
        group.bench_function(format!("{window} in flight"), |bencher| {
            bencher.iter(|| in_flight(&bench.engine, window, 20_000).expect("appends"));
        });
        let many = in_flight(&bench.engine, window, 50_000)?;
        println!("{window} in flight: {many:.0} events/s, {:.1} times one writer", many / alone);
    }
    group.finish();
    criterion.final_summary();
    Ok(())
}
