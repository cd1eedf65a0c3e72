#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| elman_fuzz::counted(elman_fuzz::config, bytes));
