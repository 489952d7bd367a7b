//! Composition: what runs after, beside and instead of what.

mod conditional;
mod delegate;
mod fan_out;
mod parallel;
mod repeat;
mod router;
mod sequential;
mod switch;

pub(crate) use parallel::Parallel;
pub(crate) use sequential::Sequential;

pub use conditional::{Condition, Then, conditional, conditional_async};
pub use delegate::delegate;
pub use fan_out::fan_out;
pub use parallel::{Gather, first_success, parallel, quorum};
pub use repeat::{Repeat, Until, repeat};
pub use router::{Route, Router, RouterError, Strategy, router};
pub use switch::{Cases, SwitchKey, switch};
