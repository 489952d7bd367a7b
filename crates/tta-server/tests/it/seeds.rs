//! The seeds of the fuzz targets hold what the targets assert.

use std::fs;
use std::path::Path;

use crate::asserted;

fn replay(target: &str, assert: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus-seeds").join(target);
    let seeds: Vec<_> =
        fs::read_dir(&folder).expect("it is there").map(|entry| entry.expect("it is read").path()).collect();
    assert!(seeds.len() >= 3, "{} holds too few seeds", folder.display());
    for seed in seeds {
        assert(&fs::read(seed).expect("it is read"));
    }
}

#[test]
fn every_request_in_protobuf_passes() {
    replay("otlp_protobuf", asserted::otlp_protobuf);
}

#[test]
fn every_request_in_json_passes() {
    replay("otlp_json", asserted::otlp_json);
}

#[test]
fn every_question_passes() {
    replay("query", asserted::query);
}
