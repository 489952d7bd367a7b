//! A disk that is full or cannot be written to: the store goes on, and so does the rest once it can.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tta_server::{Clock, OpenError, Options, Store, WriteError};

use super::support::{NOW, count, open, put, request, scan, span, text};

/// A file system of a few megabytes, where the test may have one.
pub(crate) struct Small(tempfile::TempDir);

impl Small {
    pub(crate) fn mount() -> Option<Self> {
        let directory = tempfile::tempdir().expect("a directory");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=6m", "tmpfs"]).arg(directory.path());
        let mounted = mount.output().is_ok_and(|output| output.status.success());
        mounted.then_some(Self(directory))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
    }
}

pub(crate) fn noisy(trace: u128, random: &mut StdRng) -> Vec<u8> {
    let noise: String = (0..200_000).map(|_| char::from(random.random_range(b'!'..b'~'))).collect();
    let mut span = span(trace, 1);
    span.attributes.push(text("noise", noise));
    request(vec![("shop", vec![span])])
}

fn try_put(store: &Store, body: Vec<u8>) -> Result<(), WriteError> {
    store.submit(scan(body).into()).expect("there is room").blocking_wait()
}

/// Fills the disk with batches; answers those that were acknowledged.
fn fill(store: &Store, random: &mut StdRng) -> u128 {
    for trace in 1..1_000 {
        match try_put(store, noisy(trace, random)) {
            Ok(()) => {}
            Err(error) => {
                assert!(matches!(error, WriteError::Unavailable(_)), "{error}");
                assert!(error.to_string().ends_with("send it again later"), "{error}");
                return trace - 1;
            }
        }
    }
    panic!("the disk is never full");
}

#[test]
fn a_full_disk_refuses_and_resumes() {
    // Without the right to mount, the limit of the next test stands in.
    let Some(small) = Small::mount() else { return a_limit_on_files_is_like_a_full_disk() };
    let filler = small.path().join("filler");
    std::fs::write(&filler, vec![1; 2 << 20]).expect("there is room");
    let store = open(&small.path().join("store"));
    let mut random = StdRng::seed_from_u64(1);
    let stored = fill(&store, &mut random);
    assert!(stored > 3, "{stored}");
    assert!((1..=stored).all(|trace| count(&store, trace) == 1), "reads work");
    assert!(try_put(&store, noisy(stored + 1, &mut random)).is_err());
    std::fs::remove_file(&filler).expect("it is there");
    try_put(&store, noisy(2_000, &mut random)).expect("there is room again");
    drop(store);
    let store = open(&small.path().join("store"));
    assert!((1..=stored).chain([2_000]).all(|trace| count(&store, trace) == 1));
    assert_eq!((store.stats().spans, store.damage()), (stored as u64 + 1, Vec::new()));
}

/// Tells the child which directory to fill.
const DIRECTORY: &str = "TTA_TEST_FULL";

#[test]
fn a_limit_on_files_is_like_a_full_disk() {
    let mut random = StdRng::seed_from_u64(2);
    if let Some(directory) = std::env::var_os(DIRECTORY) {
        let store = open(Path::new(&directory));
        let stored = fill(&store, &mut random);
        assert!((1..=stored).all(|trace| count(&store, trace) == 1) && stored > 1, "{stored}");
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    // Files of 2 MiB; the shell lets the signal pass by, so that a write fails instead.
    let limited = Command::new("bash")
        .args(["-c", "trap '' XFSZ; ulimit -f 2048; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().expect("a test is a program"))
        .args(["disk::a_limit_on_files_is_like_a_full_disk", "--exact", "--nocapture"])
        .env(DIRECTORY, directory.path())
        .output()
        .expect("it runs");
    assert!(limited.status.success(), "{}", String::from_utf8_lossy(&limited.stderr));
    let store = open(directory.path());
    let stored = u128::from(store.stats().spans);
    assert!(stored > 1 && (1..=stored).all(|trace| count(&store, trace) == 1), "{stored}");
    put(&store, noisy(3_000, &mut random));
}

#[test]
fn a_directory_that_cannot_be_written_to_is_told_and_tried_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let now = Arc::new(AtomicU64::new(NOW / 1_000_000_000));
    let mut options = Options::new(directory.path());
    let seconds = Arc::clone(&now);
    options.clock = Clock::new(move || UNIX_EPOCH + Duration::from_secs(seconds.load(Ordering::Relaxed)));
    let store = Store::open(options).expect("it opens");
    put(&store, request(vec![("shop", vec![span(1, 1)])]));
    // The file of tomorrow cannot be made: its name is taken by a directory.
    now.fetch_add(24 * 60 * 60, Ordering::Relaxed);
    let tomorrow =
        humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(now.load(Ordering::Relaxed)));
    let taken = directory.path().join(format!("{}.000.sqlite", &tomorrow.to_string()[..10]));
    std::fs::create_dir(&taken).expect("it is free");
    for _ in 0..2 {
        let refused = try_put(&store, request(vec![("shop", vec![span(2, 1)])]));
        assert!(matches!(refused, Err(WriteError::Unavailable(_))), "{refused:?}");
        assert_eq!((count(&store, 1), count(&store, 2)), (1, 0));
    }
    std::fs::remove_dir(&taken).expect("it is empty");
    put(&store, request(vec![("shop", vec![span(2, 1)])]));
    assert_eq!((count(&store, 1), count(&store, 2), store.stats().files), (1, 1, 2));
}

#[test]
fn a_read_only_directory_is_told_when_opening() {
    let Some(small) = Small::mount() else {
        eprintln!("skipped: a file system of a few megabytes cannot be mounted here");
        return;
    };
    let store = open(small.path());
    put(&store, request(vec![("shop", vec![span(1, 1)])]));
    drop(store);
    let mut mount = Command::new("mount");
    assert!(mount.args(["-o", "remount,ro"]).arg(small.path()).status().expect("it runs").success());
    let refused = Store::open(Options::new(small.path())).expect_err("it is read-only");
    assert!(matches!(refused, OpenError::Directory { .. }), "{refused:?}");
}
