#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::service_json::check(input));
