//! A service that calls others and keeps the trace connected.
//!
//! It has the shape that the test suites of W3C Trace Context and W3C Baggage ask for: `POST /test` takes a JSON
//! array of `{"url": .., "arguments": ..}`, posts each `arguments` to its `url`, and answers when all have.
//! It listens on this machine alone, and sends baggage to this machine alone.
//!
//! ```text
//! cargo run --example propagation-service -- --port 5000
//! ```
#![expect(clippy::print_stdout, reason = "a program says where it listens")]

mod propagation_service;

use std::net::Ipv4Addr;

use tokio::net::TcpListener;
use tta::WorkflowContext;
use tta::propagation::AllowedHosts;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port = port(std::env::args().skip(1))?;
    let _guard = tta::init()?;
    let hosts = AllowedHosts::of(["127.0.0.1", "localhost"])?;
    let router = propagation_service::router(hosts, || WorkflowContext::builder().workflow_name("relay"))?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    println!("http://{}", listener.local_addr()?);
    let interrupted = async {
        // Without signals it runs until it is killed.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    };
    axum::serve(listener, router).with_graceful_shutdown(interrupted).await?;
    Ok(())
}

/// The port that was asked for, or 0 for any free one.
fn port(mut arguments: impl Iterator<Item = String>) -> Result<u16, Box<dyn std::error::Error>> {
    match (arguments.next().as_deref(), arguments.next(), arguments.next()) {
        (None, ..) => Ok(0),
        (Some("--port"), Some(port), None) => Ok(port.parse()?),
        _ => Err("usage: propagation-service [--port PORT]".into()),
    }
}
