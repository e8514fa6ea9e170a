//! Coverage-guided runs of the target `program`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| allsource_fuzz::program::program(data));
