//! Coverage-guided runs of the target `json`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| allsource_fuzz::json::json(data));
