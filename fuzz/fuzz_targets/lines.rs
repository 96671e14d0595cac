#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tenzik_fuzz::lines(bytes));
