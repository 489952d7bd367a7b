//! Being told to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::{io, thread};

/// Waits for Ctrl-C, or for what a supervisor sends to end a process. It never comes where signals cannot be
/// listened to; then the process ends as the system does it.
pub(crate) async fn told_to_stop() {
    let interrupted = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    };
    tokio::select! {
        () = interrupted => {}
        () = terminated() => {}
    }
}

#[cfg(unix)]
async fn terminated() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut signals) => drop(signals.recv().await),
        Err(_) => std::future::pending().await,
    }
}

#[cfg(not(unix))]
async fn terminated() {
    std::future::pending().await
}

/// Tells from now on whether it was asked to stop, for work that looks now and then.
///
/// # Errors
///
/// When the system has no room for the thread that listens.
pub(crate) fn listen() -> io::Result<Arc<AtomicBool>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let asked = Arc::new(AtomicBool::new(false));
    let ask = asked.clone();
    let listener = move || {
        runtime.block_on(told_to_stop());
        ask.store(true, Ordering::Relaxed);
    };
    thread::Builder::new().name(String::from("signals")).spawn(listener)?;
    Ok(asked)
}
