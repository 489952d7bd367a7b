//! What a run has spent, and what it may spend.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

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

    /// The amount, or nothing if it is less than that.
    pub(crate) fn at_least_nothing(self) -> Self {
        Self(self.0.max(0))
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
    /// Both under one lock, so that no two branches can pass the last cent.
    balance: Mutex<Balance>,
    budget: Option<MicroUsd>,
}

#[derive(Debug, Default)]
struct Balance {
    spent: MicroUsd,
    /// The sum of all reservations, wide enough that it can be taken apart again.
    reserved: i128,
}

impl Ledger {
    pub(crate) fn new(spent: MicroUsd, budget: Option<MicroUsd>) -> Self {
        Self { balance: Mutex::new(Balance { spent, reserved: 0 }), budget }
    }

    pub(crate) fn spent(&self) -> MicroUsd {
        self.balance().spent
    }

    pub(crate) fn reserved(&self) -> MicroUsd {
        self.balance().reserved()
    }

    pub(crate) fn budget(&self) -> Option<MicroUsd> {
        self.budget
    }

    pub(crate) fn charge(&self, amount: MicroUsd) -> MicroUsd {
        self.balance().charge(amount)
    }

    /// Sets an amount aside and returns it.
    pub(crate) fn reserve(&self, estimate: MicroUsd) -> Result<MicroUsd> {
        let estimate = estimate.at_least_nothing();
        let mut balance = self.balance();
        self.allows(&balance, estimate)?;
        balance.reserved += i128::from(estimate.0);
        Ok(estimate)
    }

    /// Gives free what was set aside.
    pub(crate) fn release(&self, held: MicroUsd) {
        self.balance().reserved -= i128::from(held.0);
    }

    /// Spends an amount for which another one was set aside.
    pub(crate) fn settle(&self, held: MicroUsd, amount: MicroUsd) -> Result<MicroUsd> {
        let mut balance = self.balance();
        balance.reserved -= i128::from(held.0);
        let spent = balance.charge(amount);
        match self.budget {
            Some(budget) if spent > budget => Err(Error::new(
                ErrorKind::BudgetExceeded,
                format!(
                    "the budget of {budget} is exceeded: {spent} are spent, {amount} of them on a call for which \
                     {held} were set aside"
                ),
            )),
            _ => Ok(spent),
        }
    }

    pub(crate) fn check(&self, amount: MicroUsd) -> Result<()> {
        self.allows(&self.balance(), amount)
    }

    fn allows(&self, balance: &Balance, amount: MicroUsd) -> Result<()> {
        let Some(budget) = self.budget else { return Ok(()) };
        let spent = balance.spent;
        if i128::from(spent.0) + balance.reserved + i128::from(amount.0) <= i128::from(budget.0) {
            return Ok(());
        }
        let reserved = match balance.reserved() {
            MicroUsd(0) => String::new(),
            reserved => format!(" and {reserved} set aside for calls under way"),
        };
        Err(Error::new(
            ErrorKind::BudgetExceeded,
            format!("the budget of {budget} does not allow {amount} more; {spent} are spent{reserved}"),
        ))
    }

    fn balance(&self) -> MutexGuard<'_, Balance> {
        self.balance.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Balance {
    /// A sum that wrapped around would open the budget again.
    fn charge(&mut self, amount: MicroUsd) -> MicroUsd {
        self.spent = MicroUsd(self.spent.0.saturating_add(amount.at_least_nothing().0));
        self.spent
    }

    fn reserved(&self) -> MicroUsd {
        MicroUsd(i64::try_from(self.reserved).unwrap_or(i64::MAX))
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
    #[test]
    fn what_is_set_aside_counts_until_it_is_given_free() {
        let ledger = Ledger::new(MicroUsd(10), Some(MicroUsd(100)));
        assert_eq!(ledger.reserve(MicroUsd(70)).expect("90 are left"), MicroUsd(70));
        let error = ledger.reserve(MicroUsd(21)).expect_err("20 are left");
        let message = "the budget of $0.000100 does not allow $0.000021 more; $0.000010 are spent and $0.000070 set \
                       aside for calls under way";
        assert_eq!((error.kind(), error.message().as_str()), (ErrorKind::BudgetExceeded, message));
        assert!(ledger.check(MicroUsd(21)).is_err());
        ledger.release(MicroUsd(70));
        assert!(ledger.check(MicroUsd(90)).is_ok());
    }

    #[test]
    fn what_costs_more_than_was_set_aside_is_charged_and_told_of() {
        let ledger = Ledger::new(MicroUsd(0), Some(MicroUsd(100)));
        let held = ledger.reserve(MicroUsd(50)).expect("100 are left");
        assert_eq!(ledger.settle(held, MicroUsd(100)).expect("all of it, and no more"), MicroUsd(100));
        let held = ledger.reserve(MicroUsd(0)).expect("nothing is allowed");
        let error = ledger.settle(held, MicroUsd(1)).expect_err("one too many");
        assert_eq!(error.kind(), ErrorKind::BudgetExceeded);
        assert!(error.message().starts_with("the budget of $0.000100 is exceeded: $0.000101 are spent"));
        assert_eq!((ledger.spent(), ledger.reserved()), (MicroUsd(101), MicroUsd(0)));
    }

    #[test]
    fn absurd_amounts_open_no_budget() {
        let ledger = Ledger::new(MicroUsd(0), None);
        let held =
            [i64::MAX, i64::MAX, -5].map(|amount| ledger.reserve(MicroUsd(amount)).expect("no budget"));
        assert_eq!((held[2], ledger.reserved()), (MicroUsd(0), MicroUsd(i64::MAX)));
        held.into_iter().for_each(|held| ledger.release(held));
        assert_eq!(ledger.reserved(), MicroUsd(0));
        assert_eq!(ledger.charge(MicroUsd(-7)), MicroUsd(0));
    }

    #[test]
    fn threads_never_reserve_the_last_cent_twice() {
        let ledger = Ledger::new(MicroUsd(0), Some(MicroUsd(1_000)));
        let work = |thread: i64| {
            let mut admitted = 0;
            for round in 0..100 {
                let Ok(held) = ledger.reserve(MicroUsd(7)) else { continue };
                assert!(ledger.spent().0 + ledger.reserved().0 <= 1_000);
                if (thread + round) % 3 == 0 {
                    ledger.release(held);
                } else {
                    admitted += ledger.settle(held, held).map(|_| 1).expect("never more than the budget");
                }
            }
            admitted
        };
        let mut admitted: i64 = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..64).map(|thread| scope.spawn(move || work(thread))).collect();
            threads.into_iter().map(|thread| thread.join().expect("no thread panicked")).sum()
        });
        // Whatever the threads left, because others held it when they asked, is there for the last one.
        while let Ok(held) = ledger.reserve(MicroUsd(7)) {
            admitted += ledger.settle(held, held).map(|_| 1).expect("never more than the budget");
        }
        assert_eq!(admitted, 142);
        assert_eq!((ledger.spent(), ledger.reserved()), (MicroUsd(994), MicroUsd(0)));
    }
}
