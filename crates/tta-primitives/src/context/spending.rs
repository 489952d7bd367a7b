//! Spending money in a run: amounts, charges, and what is set aside for a call before it is made.

use tta_model::Text;

use super::ledger::MicroUsd;
use super::{WorkflowContext, ledger};
use crate::error::Result;
use crate::observe::Event;

/// An amount that is spent, and on what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spend {
    /// How much. Less than nothing counts as nothing, since what is spent does not come back.
    pub amount: MicroUsd,
    /// The provider of the model, if a model was paid.
    pub provider: Option<Text>,
    /// The name of the model, if a model was paid.
    pub model: Option<Text>,
}

impl Spend {
    /// An amount that is paid for a model.
    pub fn on_model(amount: MicroUsd, provider: impl Into<Text>, model: impl Into<Text>) -> Self {
        Self { amount, provider: Some(provider.into()), model: Some(model.into()) }
    }
}

impl From<MicroUsd> for Spend {
    fn from(amount: MicroUsd) -> Self {
        Self { amount, ..Self::default() }
    }
}

impl WorkflowContext {
    /// What the run has spent so far, in every branch.
    #[must_use]
    pub fn spent(&self) -> MicroUsd {
        self.ledger().spent()
    }

    /// What is set aside for calls that are under way, in every branch.
    #[must_use]
    pub fn reserved(&self) -> MicroUsd {
        self.ledger().reserved()
    }

    /// What the run may spend.
    #[must_use]
    pub fn budget(&self) -> Option<MicroUsd> {
        self.ledger().budget()
    }

    /// Adds an amount to what the run has spent and returns the sum. The observer is told, once, in the step whose
    /// context this is. What a failed attempt has spent stays spent.
    ///
    /// The budget is not looked at: [`reserve`](Self::reserve) does that before the money is gone.
    pub fn charge(&self, spend: impl Into<Spend>) -> MicroUsd {
        let spend = spend.into();
        let sum = self.ledger().charge(spend.amount);
        self.tell_of(&spend);
        sum
    }

    /// Sets an amount aside for a call that is about to be made, so that parallel branches cannot spend the
    /// same money twice. It is held until the reservation is settled or dropped.
    ///
    /// ```
    /// use tta_primitives::{MicroUsd, Spend, WorkflowContext};
    ///
    /// let cx = WorkflowContext::builder().budget(MicroUsd(100)).build();
    /// let reservation = cx.reserve(MicroUsd(80))?;
    /// assert!(cx.reserve(MicroUsd(30)).is_err(), "20 are left");
    /// // The call is made, and costs less than was thought.
    /// reservation.settle(Spend::on_model(MicroUsd(60), "openai", "gpt-4o"))?;
    /// assert!(cx.reserve(MicroUsd(30)).is_ok());
    /// # Ok::<(), tta_primitives::Error>(())
    /// ```
    ///
    /// # Errors
    /// An error of kind [`BudgetExceeded`](crate::ErrorKind::BudgetExceeded) if what is spent, what is set aside
    /// and the estimate together are more than the budget.
    pub fn reserve(&self, estimate: MicroUsd) -> Result<Reservation> {
        let held = self.ledger().reserve(estimate)?;
        Ok(Reservation { cx: self.clone(), held })
    }

    /// Checks that the run may spend an amount more, beside what is set aside. Another branch may spend it in
    /// between; [`reserve`](Self::reserve) does not let it.
    ///
    /// # Errors
    /// An error of kind [`BudgetExceeded`](crate::ErrorKind::BudgetExceeded) if it may not.
    pub fn check_budget(&self, amount: MicroUsd) -> Result<()> {
        self.ledger().check(amount)
    }

    fn ledger(&self) -> &ledger::Ledger {
        &self.shared.life.ledger
    }

    fn tell_of(&self, spend: &Spend) {
        self.emit(&Event::Spent {
            amount_micro_usd: spend.amount.at_least_nothing().0,
            provider: spend.provider.as_ref(),
            model: spend.model.as_ref(),
        });
    }
}

/// Money that is set aside for a call. Dropping it, as when the call fails before it costs anything, gives the
/// money free.
#[derive(Debug)]
#[must_use = "the money is free again when this is dropped: keep it until the call has ended, then `settle` it"]
pub struct Reservation {
    cx: WorkflowContext,
    /// What is held; nothing once it is settled.
    held: MicroUsd,
}

impl Reservation {
    /// How much is set aside.
    #[must_use]
    pub fn estimate(&self) -> MicroUsd {
        self.held
    }

    /// Charges what the call has cost, more or less than was set aside, and returns what the run has spent.
    ///
    /// # Errors
    /// An error of kind [`BudgetExceeded`](crate::ErrorKind::BudgetExceeded) if the run has now spent more than its
    /// budget. The amount is charged all the same: the money is gone.
    pub fn settle(mut self, spend: impl Into<Spend>) -> Result<MicroUsd> {
        let spend = spend.into();
        let held = std::mem::take(&mut self.held);
        let settled = self.cx.ledger().settle(held, spend.amount);
        self.cx.tell_of(&spend);
        settled
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.cx.ledger().release(self.held);
    }
}
