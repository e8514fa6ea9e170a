//! Coverage-guided runs of the target `snapshot`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| allsource_fuzz::format::snapshot(data));
