//! What the store promises, one module for each promise.

mod api;
mod crash;
mod damage;
mod disk;
mod lock;
mod model;
mod other_signals;
mod overload;
mod resend;
mod retention;
mod scan;
mod support;
