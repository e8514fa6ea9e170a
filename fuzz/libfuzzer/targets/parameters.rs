//! Coverage-guided runs of the target `parameters`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| allsource_fuzz::http::parameters(data));
