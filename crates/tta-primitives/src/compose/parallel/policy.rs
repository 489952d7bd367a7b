//! When a parallel is done.

use tta_model::name::attribute;

use crate::primitive::Description;

/// When a parallel is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    /// When all have succeeded or one has failed.
    FailFast,
    /// When all have ended.
    WaitAll,
    /// When one has succeeded or all have failed.
    FirstSuccess,
    /// When this many have succeeded or so many have failed that they no longer can.
    Quorum(usize),
}

impl Policy {
    pub(crate) fn describe(self, description: Description) -> Description {
        let word = match self {
            Self::FailFast => "fail_fast",
            Self::WaitAll => "wait_all",
            Self::FirstSuccess => "first_success",
            Self::Quorum(_) => "quorum",
        };
        let description = description.attribute(attribute::PARALLEL_POLICY.key(), word);
        match self {
            Self::Quorum(needed) => description.attribute(attribute::QUORUM_NEEDED.key(), needed),
            _ => description,
        }
    }
}

/// How the branches of one parallel have ended so far.
#[derive(Debug)]
pub(crate) struct Tally {
    policy: Policy,
    total: usize,
    succeeded: usize,
    /// The branches that failed, in the order in which they did.
    pub(crate) failed: Vec<usize>,
}

impl Tally {
    pub(crate) fn new(policy: Policy, total: usize) -> Self {
        Self { policy, total, succeeded: 0, failed: Vec::new() }
    }

    /// A branch has ended. Whether the parallel is done.
    pub(crate) fn count(&mut self, branch: usize, succeeded: bool) -> bool {
        if succeeded {
            self.succeeded += 1;
        } else {
            self.failed.push(branch);
        }
        let (good, bad) = (self.succeeded, self.failed.len());
        good + bad == self.total
            || match self.policy {
                Policy::WaitAll => false,
                Policy::FailFast => bad > 0,
                Policy::FirstSuccess => good > 0,
                Policy::Quorum(needed) => good >= needed || bad > self.total - needed,
            }
    }

    /// Whether enough branches have succeeded.
    pub(crate) fn is_success(&self) -> bool {
        match self.policy {
            Policy::FirstSuccess => self.succeeded > 0,
            Policy::Quorum(needed) => self.succeeded >= needed,
            Policy::FailFast | Policy::WaitAll => self.failed.is_empty(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After how many of these endings the policy is done, and whether with success.
    fn check(policy: Policy, endings: &[bool], expect: (usize, bool)) {
        let mut tally = Tally::new(policy, endings.len());
        let done = endings.iter().enumerate().position(|(index, good)| tally.count(index, *good));
        assert_eq!((done.map_or(0, |at| at + 1), tally.is_success()), expect, "{policy:?} {endings:?}");
    }

    #[test]
    fn each_policy_is_done_as_soon_as_it_knows() {
        check(Policy::FailFast, &[true, false, true], (2, false));
        check(Policy::FailFast, &[true, true], (2, true));
        check(Policy::WaitAll, &[false, true, false], (3, false));
        check(Policy::FirstSuccess, &[false, true, true], (2, true));
        check(Policy::FirstSuccess, &[false, false], (2, false));
        check(Policy::Quorum(2), &[true, false, true, true], (3, true));
        check(Policy::Quorum(3), &[true, false, false, true], (3, false));
    }
}
