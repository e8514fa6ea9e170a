//! Metrics for `/metrics`: the server counts requests; the store's own counters are collected for each answer.

mod engine;
mod followers;

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::background::Follower;
use crate::store::Vitals;

/// The prefix of every metric's name.
const PREFIX: &str = "allsource";
/// Bounds of the latency buckets, in seconds.
const LATENCIES: [f64; 14] =
    [0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    method: &'static str,
    endpoint: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Endpoint {
    endpoint: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct QueryType {
    query_type: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Protocol {
    protocol: &'static str,
}

/// Everything the server counts.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<Request, Counter>,
    durations: Family<Endpoint, Histogram, fn() -> Histogram>,
    in_flight: Gauge,
    queries: Family<QueryType, Counter>,
    query_results: Counter,
    ingestion_errors: Counter,
    streams: Family<Protocol, Gauge>,
    stream_events: Counter<u64, AtomicU64>,
}

impl Default for Metrics {
    /// Starts counting from 0.
    fn default() -> Self {
        let mut registry = Registry::with_prefix(PREFIX);
        let durations = Family::new_with_constructor((|| Histogram::new(LATENCIES)) as fn() -> Histogram);
        let mut metrics = Self {
            registry: Registry::default(),
            requests: Family::default(),
            durations,
            in_flight: Gauge::default(),
            queries: Family::default(),
            query_results: Counter::default(),
            ingestion_errors: Counter::default(),
            streams: Family::default(),
            stream_events: Counter::default(),
        };
        registry.register("http_requests", "HTTP requests answered", metrics.requests.clone());
        registry.register(
            "http_request_duration_seconds",
            "Time until the response headers are ready",
            metrics.durations.clone(),
        );
        registry.register(
            "http_requests_in_flight",
            "HTTP requests being answered",
            metrics.in_flight.clone(),
        );
        registry.register("queries", "Queries by the kind of look-up", metrics.queries.clone());
        registry.register("query_results", "Events returned by queries", metrics.query_results.clone());
        registry.register(
            "ingestion_errors",
            "Requests to append that were refused or failed",
            metrics.ingestion_errors.clone(),
        );
        registry.register("stream_connections", "Open streams", metrics.streams.clone());
        registry.register("stream_events", "Events sent on streams", metrics.stream_events.clone());
        metrics.registry = registry;
        metrics
    }
}

impl Metrics {
    /// Counts an answered request.
    pub fn request(&self, method: &'static str, endpoint: &str, status: u16, took: Duration) {
        self.requests.get_or_create(&Request { method, endpoint: endpoint.to_owned(), status }).inc();
        self.durations.get_or_create(&Endpoint { endpoint: endpoint.to_owned() }).observe(took.as_secs_f64());
    }

    /// Counts a request as being answered until the guard is dropped.
    pub fn in_flight(&self) -> InFlight {
        InFlight::count(&self.in_flight)
    }

    /// Counts a query by the kind of look-up.
    pub fn query(&self, query_type: &'static str) {
        self.queries.get_or_create(&QueryType { query_type }).inc();
    }

    /// Counts events returned in pages.
    pub fn results(&self, events: u64) {
        self.query_results.inc_by(events);
    }

    /// Counts a request to append that was refused or failed.
    pub fn ingestion_error(&self) {
        self.ingestion_errors.inc();
    }

    /// Counts a stream as open until the guard is dropped.
    pub fn stream(&self, protocol: &'static str) -> InFlight {
        InFlight::count(&self.streams.get_or_create(&Protocol { protocol }))
    }

    /// Counts events sent on streams.
    pub fn streamed(&self, events: u64) {
        self.stream_events.inc_by(events);
    }

    /// Every metric in the OpenMetrics text format, the store's own and those of background work included.
    pub fn to_text(&self, vitals: Vitals, followers: Vec<Follower>) -> String {
        let mut store = Registry::with_prefix(PREFIX);
        store.register_collector(Box::new(engine::VitalsCollector(vitals)));
        store.register_collector(Box::new(followers::FollowersCollector(followers)));
        let mut text = String::new();
        let encoded = encode_registry(&mut text, &self.registry)
            .and_then(|()| encode_registry(&mut text, &store))
            .and_then(|()| encode_eof(&mut text));
        #[expect(clippy::expect_used, reason = "writing to memory does not fail")]
        encoded.expect("a string takes every write");
        text
    }
}

/// Counts as one until it is dropped.
#[derive(Debug)]
#[must_use]
pub struct InFlight(Gauge);

impl InFlight {
    fn count(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}
