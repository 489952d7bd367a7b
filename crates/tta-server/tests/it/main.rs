//! What the store promises, one module for each promise.

mod api;
mod asserted;
mod attacks;
mod crash;
mod damage;
mod disk;
mod exporters;
mod health;
mod lock;
mod model;
mod model_api;
mod model_other;
mod operations;
mod other_signals;
mod otlp_grpc;
mod otlp_http;
mod overload;
mod resend;
mod retention;
mod scan;
mod seeds;
mod served;
mod served_crash;
mod served_disk;
mod slo;
mod support;
