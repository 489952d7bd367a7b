//! A wait for an approval.

mod human;

use std::time::Duration;

use tta_model::Text;
use tta_model::name::attribute;

pub use human::{HumanGate, NotPending, PendingApproval};

use crate::clock;
use crate::context::WorkflowContext;
use crate::error::{Error, ErrorKind, Result};
use crate::flow::Flow;
use crate::observe::Event;
use crate::primitive::{Description, Primitive};

/// Decides whether an input may pass a gate: a policy in code, a remote service, or a [person](HumanGate).
///
/// Closures implement it: `|input: &Order, _: &WorkflowContext| std::future::ready(Ok(Decision::approved("policy")))`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot approve `{T}`",
    note = "use a `HumanGate`, implement `Approver`, or write a closure `|input: &In, cx: &WorkflowContext| async {{ Ok(decision) }}`"
)]
pub trait Approver<T>: Send + Sync + 'static {
    /// Decides.
    ///
    /// # Errors
    /// If no decision can be made; the gate then fails with that error.
    fn decide(&self, input: &T, cx: &WorkflowContext) -> impl Future<Output = Result<Decision>> + Send;
}

impl<T, F, Fut> Approver<T> for F
where
    T: Sync,
    F: Fn(&T, &WorkflowContext) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Decision>> + Send + 'static,
{
    fn decide(&self, input: &T, cx: &WorkflowContext) -> impl Future<Output = Result<Decision>> + Send {
        self(input, cx)
    }
}

/// What an approver decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether the input may pass.
    pub approved: bool,
    /// Who or what decided.
    pub by: Text,
    /// Why.
    pub reason: Option<Text>,
}

impl Decision {
    /// The input may pass.
    #[must_use]
    pub fn approved(by: impl Into<Text>) -> Self {
        Self { approved: true, by: by.into(), reason: None }
    }

    /// The input may not pass.
    #[must_use]
    pub fn denied(by: impl Into<Text>, reason: impl Into<Text>) -> Self {
        Self { approved: false, by: by.into(), reason: Some(reason.into()) }
    }
}

/// What it means that nobody has decided in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expiry {
    /// The input may not pass: an error of kind [`Rejected`](ErrorKind::Rejected).
    #[default]
    Deny,
    /// The gate fails with an error of kind [`Timeout`](ErrorKind::Timeout), which can be retried.
    Fail,
}

/// Makes a flow that lets its input pass if an approver says so, and waits for it as long as it takes.
///
/// # Errors
/// If the approver denies: an error of kind [`Rejected`](ErrorKind::Rejected) with who denied it, and why.
///
/// ```
/// use std::future::ready;
/// use tta_primitives::{Decision, ErrorKind, WorkflowContext, gate};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let limit = gate(|amount: &i64, _: &WorkflowContext| {
///     ready(Ok(match amount {
///         ..=100 => Decision::approved("policy"),
///         _ => Decision::denied("policy", "more than 100"),
///     }))
/// });
/// let error = limit.run(200, &WorkflowContext::new()).await.unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Rejected);
/// # }
/// ```
#[must_use]
pub fn gate<T: Send + Sync + 'static>(approver: impl Approver<T>) -> Flow<T, T> {
    Flow::new(Gate { approver, limit: None, types: std::marker::PhantomData })
}

/// Makes a [gate](gate()) that waits for its approver for a limited time.
///
/// # Errors
/// If the approver denies, or does not decide in time; [`Expiry`] says what that means.
#[must_use]
pub fn gate_within<T>(limit: Duration, expiry: Expiry, approver: impl Approver<T>) -> Flow<T, T>
where
    T: Send + Sync + 'static,
{
    Flow::new(Gate { approver, limit: Some((limit, expiry)), types: std::marker::PhantomData })
}

struct Gate<T, A> {
    approver: A,
    limit: Option<(Duration, Expiry)>,
    types: std::marker::PhantomData<fn(T)>,
}

impl<T: Send + Sync + 'static, A: Approver<T>> Gate<T, A> {
    async fn decide(&self, input: &T, cx: &WorkflowContext) -> Result<(Decision, &'static str)> {
        let decide = async {
            let decision = self.approver.decide(input, cx).await?;
            let word = if decision.approved { "approved" } else { "rejected" };
            Ok((decision, word))
        };
        let Some((limit, expiry)) = self.limit else { return decide.await };
        tokio::select! {
            biased;
            decision = decide => decision,
            () = clock::sleep(limit) => {
                let message = format!("nobody has decided within {limit:?}");
                match expiry {
                    Expiry::Deny => Ok((Decision::denied("timeout", message), "expired")),
                    Expiry::Fail => Err(Error::new(ErrorKind::Timeout, message)),
                }
            }
        }
    }
}

impl<T: Send + Sync + 'static, A: Approver<T>> Primitive for Gate<T, A> {
    type In = T;
    type Out = T;

    async fn run(&self, input: T, cx: &WorkflowContext) -> Result<T> {
        let asked = clock::now();
        let (Decision { approved, by, reason }, word) = self.decide(&input, cx).await?;
        let waited = clock::now().saturating_duration_since(asked);
        cx.emit(&Event::GateDecided { approved, approver: &by, reason: reason.as_ref() });
        cx.set_attribute(attribute::GATE_DECISION.key(), word);
        cx.set_attribute(attribute::GATE_APPROVER.key(), by.clone());
        cx.set_attribute(attribute::GATE_WAIT_MS.key(), waited.as_secs_f64() * 1e3);
        if let Some(reason) = &reason {
            cx.set_attribute(attribute::GATE_REASON.key(), reason.clone());
        }
        if approved {
            return Ok(input);
        }
        let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
        Err(Error::new(ErrorKind::Rejected, format!("denied by {by}{reason}")))
    }

    fn describe(&self) -> Description {
        Description::new("gate")
    }
}
