//! Hands the target of its name to libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fleet_fuzz::copy_restore(data));
