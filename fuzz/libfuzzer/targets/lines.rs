//! Coverage-guided runs of the target `lines`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| allsource_fuzz::http::lines(data));
