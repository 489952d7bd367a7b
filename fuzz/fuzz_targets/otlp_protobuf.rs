//! Feeds any bytes to the scanner of OTLP in protobuf.
#![no_main]

#[expect(dead_code, reason = "the module holds the assertions of every target")]
#[path = "../../crates/tta-server/tests/it/asserted.rs"]
mod asserted;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| asserted::otlp_protobuf(bytes));
