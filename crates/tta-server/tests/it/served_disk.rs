//! A disk that is full is told to senders as something that passes, and it does.

use rand::SeedableRng;
use rand::rngs::StdRng;
use tta_server::Options;

use super::disk::{Small, noisy};
use super::served::{JSON, PROTOBUF, Served};
use super::support::{request, span};

#[test]
fn a_full_disk_is_told_and_passes() {
    let Some(small) = Small::mount() else {
        eprintln!("skipped: a file system of a few megabytes cannot be mounted here");
        return;
    };
    let ballast = small.path().join("ballast");
    std::fs::write(&ballast, vec![7; 3 << 20]).expect("there is room yet");
    let server = Served::with(|config| config.store = Options::new(small.path().join("store")));
    let mut random = StdRng::seed_from_u64(1);
    let mut acknowledged = 0;
    let refusal = (1..1_000).find_map(|trace| {
        let answer = server.post("/v1/traces", PROTOBUF, noisy(trace, &mut random));
        if answer.status() == 200 {
            acknowledged = trace;
            return None;
        }
        Some(answer)
    });
    let refusal = refusal.expect("it fills up");
    assert_eq!(
        (refusal.status().as_u16(), &refusal.headers()["retry-after"]),
        (503, &"1".parse().expect("text"))
    );
    let (status, why) = server.get("/readyz");
    assert!(status == 503 && why.starts_with("not ready: "), "{status} {why}");
    assert_eq!(server.get("/healthz").0, 200);
    let (_, page) = server.get("/metrics");
    assert!(page.contains("tta_server_store_ready 0"), "{page}");
    assert!(page.contains("tta_server_refused_requests_total{reason=\"unavailable\"} 1"), "{page}");
    // What came before is still read, and JSON gets the same answer.
    assert!(acknowledged > 0 && server.count(acknowledged) == 1);

    std::fs::remove_file(&ballast).expect("it is there");
    let batch = request(vec![("shop", vec![span(5_000, 1)])]);
    let stored = (0..100).any(|_| server.post("/v1/traces", PROTOBUF, batch.clone()).status() == 200);
    assert!(stored, "it goes on by itself");
    assert_eq!(server.get("/readyz").0, 200);
    assert_eq!(server.post("/v1/logs", JSON, b"{}".to_vec()).status(), 200);
    for trace in 1..=acknowledged {
        assert_eq!(server.count(trace), 1, "trace {trace}");
    }
    assert_eq!(server.count(5_000), 1);
}
