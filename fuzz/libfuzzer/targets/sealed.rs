//! Coverage-guided runs of the target `sealed`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| allsource_fuzz::format::sealed(data));
