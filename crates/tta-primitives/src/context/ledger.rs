//! What a run has spent, and what it may spend.

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};

/// An amount of money in millionths of a US dollar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MicroUsd(pub i64);

impl MicroUsd {
    /// The amount in dollars, for people to read; sums are made of the integer.
    #[must_use]
    pub fn as_usd(self) -> f64 {
        self.0 as f64 / 1e6
    }
}

impl fmt::Display for MicroUsd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${:.6}", self.as_usd())
    }
}

/// The ledger of a run: one for all branches.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    spent: AtomicI64,
    budget: Option<MicroUsd>,
}

impl Ledger {
    pub(crate) fn new(spent: MicroUsd, budget: Option<MicroUsd>) -> Self {
        Self { spent: AtomicI64::new(spent.0), budget }
    }

    pub(crate) fn spent(&self) -> MicroUsd {
        MicroUsd(self.spent.load(Ordering::Relaxed))
    }

    pub(crate) fn budget(&self) -> Option<MicroUsd> {
        self.budget
    }

    pub(crate) fn charge(&self, amount: MicroUsd) -> MicroUsd {
        let sum = |spent: i64| spent.saturating_add(amount.0);
        let add = |spent| Some(sum(spent));
        // A sum that wrapped around would open the budget again.
        let (Ok(before) | Err(before)) = self.spent.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
        MicroUsd(sum(before))
    }

    pub(crate) fn check(&self, amount: MicroUsd) -> Result<()> {
        let Some(budget) = self.budget else { return Ok(()) };
        let spent = self.spent();
        if spent.0.saturating_add(amount.0) <= budget.0 {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::BudgetExceeded,
            format!("the budget of {budget} does not allow {amount} more; {spent} are spent"),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_stops_what_would_overspend() {
        let ledger = Ledger::new(MicroUsd(0), Some(MicroUsd(100)));
        assert!(ledger.check(MicroUsd(100)).is_ok());
        assert_eq!(ledger.charge(MicroUsd(60)), MicroUsd(60));
        let error = ledger.check(MicroUsd(41)).expect_err("40 are left");
        assert_eq!(error.kind(), ErrorKind::BudgetExceeded);
        assert!(error.to_string().contains("$0.000060 are spent"), "{error}");
    }
}
