//! Coverage-guided runs of the target `journal`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| allsource_fuzz::journal::journal(data));
