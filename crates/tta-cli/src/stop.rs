//! Being told to stop.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::task::Poll;
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

/// Does something when the process is told to stop, which does not end it any more; from when this returns. Told again, the
/// process ends at once, since the work may never come to where it looks.
///
/// # Errors
///
/// When the system has no room for the thread that listens.
pub(crate) fn first_time(work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (listens, listening) = mpsc::channel();
    let listener = async move {
        let mut told = pin!(told_to_stop());
        // It listens from when it is polled first.
        let first = poll_fn(|cx| Poll::Ready(told.as_mut().poll(cx))).await;
        // Whoever waited for it may have gone on.
        let _ = listens.send(());
        if first.is_pending() {
            told.await;
        }
        let mut again = pin!(told_to_stop());
        let second = poll_fn(|cx| Poll::Ready(again.as_mut().poll(cx))).await;
        work();
        if second.is_pending() {
            again.await;
        }
        end();
    };
    thread::Builder::new().name(String::from("signals")).spawn(move || runtime.block_on(listener))?;
    // Without the thread there is nobody to wait for.
    let _ = listening.recv();
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "whoever asks twice does not want to wait for what is left")]
fn end() -> ! {
    std::process::exit(130)
}

/// Tells from now on whether it was asked to stop, for work that looks now and then.
///
/// # Errors
///
/// When the system has no room for the thread that listens.
pub(crate) fn listen() -> io::Result<Arc<AtomicBool>> {
    let asked = Arc::new(AtomicBool::new(false));
    let ask = asked.clone();
    first_time(move || ask.store(true, Ordering::Relaxed))?;
    Ok(asked)
}
