//! Coverage-guided runs of the target `segment`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| allsource_fuzz::format::segment(data));
