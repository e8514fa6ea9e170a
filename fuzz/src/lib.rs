//! Fuzz targets: plain functions that take bytes and panic when a promise is broken. `smoke` runs them from a seed on
//! stable Rust; the shims in `libfuzzer/` run them with coverage guidance.

pub mod format;
pub mod journal;
pub mod json;
pub mod program;
pub mod http;
pub mod mutate;

/// A fuzz target.
pub struct Target {
    /// Its name on the command line.
    pub name: &'static str,
    /// Runs it on one input.
    pub run: fn(&[u8]),
    /// Inputs to mutate.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Recomputes checksums after a mutation, so that the input gets past the first check.
    pub repair: fn(&mut [u8]),
    /// Runs in a smoke run of scale 1.
    pub runs: u32,
}

/// Every target.
pub fn targets() -> Vec<Target> {
    let none = |_: &mut [u8]| {};
    let target = |name, run, seeds, repair, runs| Target { name, run, seeds, repair, runs };
    vec![
        target("frame", format::frame, format::frame_seeds, format::repair_frame, 20_000),
        target("record", format::record, format::record_seeds, format::repair_record, 20_000),
        target("manifest", format::manifest, format::manifest_seeds, format::repair_manifest, 20_000),
        target("sealed", format::sealed, format::sealed_seeds, format::repair_sealed, 10_000),
        target("segment", format::segment, format::segment_seeds, format::repair_segment, 10_000),
        target("snapshot", format::snapshot, format::snapshot_seeds, format::repair_sealed, 10_000),
        target("journal", journal::journal, journal::seeds, journal::repair, 1_000),
        target("json", json::json, json::seeds, none, 40_000),
        target("program", program::program, program::seeds, none, 400),
        target("parameters", http::parameters, http::parameter_seeds, none, 4_000),
        target("lines", http::lines, http::line_seeds, none, 4_000),
    ]
}

/// A target that panics on an input only mutation can find: proof that a smoke run catches failures.
pub fn canary() -> Target {
    let run =
        |data: &[u8]| assert!(!(data.len() > 3 && data[0] == b'A' && data[3] > 0xF0), "the canary died");
    let seeds = || vec![b"AAAA".to_vec()];
    Target { name: "canary", run, seeds, repair: |_| {}, runs: 20_000 }
}
