//! Composition: what runs after, beside and instead of what.

mod conditional;
mod delegate;
mod fan_out;
mod gate;
mod parallel;
mod question;
mod repeat;
mod router;
mod saga;
mod sequential;
mod switch;
mod validate;

pub(crate) use parallel::Parallel;
pub(crate) use sequential::Sequential;

pub use conditional::{Condition, Then, conditional, conditional_async};
pub use delegate::{Agent, delegate, delegate_to};
pub use fan_out::fan_out;
pub use gate::{Approver, Decision, Expiry, HumanGate, NotPending, PendingApproval, gate, gate_within};
pub use parallel::{Gather, first_success, parallel, quorum};
pub use repeat::{Repeat, Until, repeat};
pub use router::{Route, Router, RouterError, Strategy, router};
pub use saga::{Saga, saga};
pub use switch::{Cases, SwitchKey, switch, switch_async};
pub use validate::{Validation, validate};
