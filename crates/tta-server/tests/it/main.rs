//! What the store promises, one module for each promise.

mod api;
mod attacks;
mod crash;
mod damage;
mod disk;
mod exporters;
mod lock;
mod model;
mod operations;
mod other_signals;
mod otlp_grpc;
mod otlp_http;
mod overload;
mod resend;
mod retention;
mod scan;
mod served;
mod served_crash;
mod served_disk;
mod sql;
mod support;
