//! One event per POST over 32 connections, compared with the same handler without an engine on the same cores.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use allsource_benches::{Bench, load::requests_per_second};
use allsource_engine::event::{TenantId, Timestamp};
use allsource_engine::{Acknowledged, Committed, Position, Sequence, Version};
use allsource_server::app::App;
use allsource_server::store::Store;
use allsource_server::wire::{parse_event, write_commit};
use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;
use criterion::{Criterion, Throughput};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use uuid::Uuid;

const CONNECTIONS: usize = 32;
const LASTING: Duration = Duration::from_secs(4);

/// Parses the event as the server does, and answers as if it had appended it.
async fn answer_only(body: Bytes) -> Response {
    let answer = || -> Option<Vec<u8>> {
        let parsed = parse_event(&body).ok()?;
        let entity = parsed.entity(TenantId::default()).ok()?;
        let _event = parsed.event().ok()?;
        let now = Timestamp::from_micros(1);
        let committed = Committed {
            id: Uuid::from_u128(1),
            position: Position::new(1)?,
            version: Version::new(1)?,
            sequence: Sequence::new(1)?,
            recorded_at: now,
            timestamp: now,
            replayed: false,
        };
        let mut out = Vec::with_capacity(192);
        write_commit(&mut out, &entity, &committed, Acknowledged::Synced, 32);
        Some(out)
    };
    match answer() {
        Some(out) => ([(header::CONTENT_TYPE, "application/json")], out).into_response(),
        None => StatusCode::BAD_REQUEST.into_response(),
    }
}

fn start(runtime: &Runtime, app: Arc<App>) -> Result<(SocketAddr, SocketAddr), Box<dyn Error>> {
    let with_engine = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
    let without = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
    let addresses = (with_engine.local_addr()?, without.local_addr()?);
    runtime.spawn(allsource_server::lifecycle::run(with_engine, app, std::future::pending()));
    let router = Router::new().route("/api/v1/events", post(answer_only));
    runtime.spawn(async move { axum::serve(without, router).await });
    Ok(addresses)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut criterion = Criterion::default().configure_from_args();
    let Bench { engine, folder: _folder, .. } = Bench::new()?;
    let runtime = Runtime::new()?;
    let engine = Arc::new(engine);
    let (with_engine, without) = start(&runtime, Arc::new(App::new(Store::over(Arc::clone(&engine)))))?;
    for round in 1..=3 {
        let ours = runtime.block_on(requests_per_second(with_engine, CONNECTIONS, LASTING))?;
        let counters = engine.counters();
        println!("{:.1} appends a round", counters.appends as f64 / counters.rounds as f64);
        let bare = runtime.block_on(requests_per_second(without, CONNECTIONS, LASTING))?;
        println!(
            "round {round}: {ours:.0} requests/s, without an engine {bare:.0}/s, ratio {:.2}",
            ours / bare
        );
    }
    let mut group = criterion.benchmark_group("http_appends");
    group.sample_size(10).throughput(Throughput::Elements(CONNECTIONS as u64));
    for (name, address) in
        [("one event per POST, sync", with_engine), ("the same without an engine", without)]
    {
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|times| {
                let rate = runtime.block_on(requests_per_second(address, CONNECTIONS, LASTING / 8));
                let per_round = CONNECTIONS as f64 / rate.expect("requests are answered");
                Duration::from_secs_f64(per_round * times as f64)
            });
        });
    }
    group.finish();
    criterion.final_summary();
    Ok(())
}
