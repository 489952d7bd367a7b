//! Who spent what: the cost of everything that ran, by workflow, primitive, agent, session and model.
//!
//! Amounts are counted as integers when they are charged, sampled or not, so that the sums of every dimension are
//! the total to the millionth of a dollar. Each dimension keeps [`MAX_KEYS`] keys apart; what comes later is counted
//! together, and never lost.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use foldhash::fast::RandomState;
use tta_model::Text;
use tta_model::name::metric::OTHER;
use tta_primitives::MicroUsd;
use tta_primitives::observe::{Event, NodeInfo, RunInfo};

/// How many keys of a dimension are kept apart; all others are one more, `__other__`.
pub const MAX_KEYS: usize = 1_000;
/// The key of what belongs to nobody, as what a run without a session costs.
pub const NOBODY: &str = "__none__";

/// What was spent and saved since the start, and by whom. Cloning it shares it.
#[derive(Clone, Debug, Default)]
pub struct CostBook {
    book: Arc<Mutex<Book>>,
}

/// What was spent and saved, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CostReport {
    /// All that was spent.
    pub spent: MicroUsd,
    /// All that was saved.
    pub saved: MicroUsd,
    /// How many model calls have ended.
    pub calls: u64,
    /// How many tokens they had, of prompts and answers.
    pub tokens: u64,
    /// By the name of the workflow. The dearest comes first, as in all lists.
    pub by_workflow: Vec<CostLine>,
    /// By the address of the primitive.
    pub by_primitive: Vec<CostLine>,
    /// By the identifier of the agent.
    pub by_agent: Vec<CostLine>,
    /// By the identifier of the session.
    pub by_session: Vec<CostLine>,
    /// By provider and model, as in `openai/gpt-4o`.
    pub by_model: Vec<CostLine>,
    /// What was saved, by what saved it and the address of the primitive.
    pub savings: Vec<SavingsLine>,
    /// How many entries were counted under `__other__`, in all dimensions.
    pub folded: u64,
}

/// What one key of a dimension came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CostLine {
    /// The key; `__none__` for what has none and `__other__` for all beyond the bound.
    pub key: Text,
    /// What was spent.
    pub spent: MicroUsd,
    /// How many model calls have ended.
    pub calls: u64,
    /// How many tokens they had, of prompts and answers.
    pub tokens: u64,
}

/// What was saved at one primitive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavingsLine {
    /// What saved it: `cache` or `router`.
    pub source: Text,
    /// The address of the primitive; `__other__` for all beyond the bound.
    pub primitive: Text,
    /// How much.
    pub saved: MicroUsd,
}

#[derive(Debug, Default)]
struct Book {
    total: Amounts,
    saved: u128,
    /// By dimension.
    spending: [Lines<Amounts>; DIMENSIONS],
    savings: HashMap<&'static str, Lines<u128>>,
    folded: u64,
}

/// How many dimensions there are: workflow, primitive, agent, session, model.
const DIMENSIONS: usize = 5;

/// What belongs to each key.
type Lines<V> = HashMap<Text, V, RandomState>;

/// Wide enough that no sum is ever cut.
#[derive(Clone, Copy, Debug, Default)]
struct Amounts {
    spent: u128,
    calls: u64,
    tokens: u64,
}

impl CostBook {
    /// What was spent and saved so far.
    #[must_use]
    pub fn report(&self) -> CostReport {
        let (total, saved, spending, savings, folded) = {
            let book = self.book();
            (book.total, book.saved, book.spending.clone(), book.savings.clone(), book.folded)
        };
        let [by_workflow, by_primitive, by_agent, by_session, by_model] = spending.map(lines);
        CostReport {
            spent: micro_usd(total.spent),
            saved: micro_usd(saved),
            calls: total.calls,
            tokens: total.tokens,
            by_workflow,
            by_primitive,
            by_agent,
            by_session,
            by_model,
            savings: savings_lines(savings),
            folded,
        }
    }

    /// Enters what happened, if it is about money or a model.
    pub(crate) fn event(&self, run: &RunInfo, node: &NodeInfo, event: &Event<'_>) {
        match event {
            Event::Spent { amount_micro_usd, provider, model } => {
                let spent = u128::try_from(*amount_micro_usd).unwrap_or(0);
                let keys = keys(run, node, (*provider, *model));
                self.book().spend(keys, Amounts { spent, ..Amounts::default() });
            }
            Event::ModelCallFinished { provider, model, prompt_tokens, completion_tokens, .. } => {
                let tokens = prompt_tokens.saturating_add(*completion_tokens);
                let keys = keys(run, node, (Some(provider), Some(model)));
                self.book().spend(keys, Amounts { spent: 0, calls: 1, tokens });
            }
            Event::CacheLookedUp { outcome, saved_micro_usd, .. } if outcome.is_hit() => {
                self.save("cache", node, *saved_micro_usd);
            }
            Event::RouteDecided { saved_micro_usd, .. } | Event::RouteSaved { saved_micro_usd } => {
                self.save("router", node, *saved_micro_usd);
            }
            _ => {}
        }
    }

    fn save(&self, source: &'static str, node: &NodeInfo, micro_usd: i64) {
        if let Some(amount) = u128::try_from(micro_usd).ok().filter(|amount| *amount > 0) {
            self.book().save(source, &node.path, amount);
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The keys of an entry, by dimension.
fn keys(
    run: &RunInfo,
    node: &NodeInfo,
    (provider, model): (Option<&Text>, Option<&Text>),
) -> [Text; DIMENSIONS] {
    let id = |id: Option<&str>| id.map_or(Text::Static(NOBODY), |id| id.to_owned().into());
    let model = match (provider, model) {
        (Some(provider), Some(model)) => format!("{provider}/{model}").into(),
        (either, other) => either.or(other).cloned().unwrap_or(Text::Static(NOBODY)),
    };
    let (agent, session) = (id(run.ids.agent_id()), id(run.ids.session_id()));
    [run.workflow_name.clone(), node.path.clone(), agent, session, model]
}

impl Book {
    fn spend(&mut self, keys: [Text; DIMENSIONS], amounts: Amounts) {
        self.total.add(amounts);
        for (lines, key) in self.spending.iter_mut().zip(keys) {
            self.folded += u64::from(change(lines, key, |line| line.add(amounts)));
        }
    }

    fn save(&mut self, source: &'static str, primitive: &Text, amount: u128) {
        self.saved += amount;
        let lines = self.savings.entry(source).or_default();
        self.folded += u64::from(change(lines, primitive.clone(), |line| *line += amount));
    }
}

/// Changes the line of a key, and says whether it was that of all others because there is no room for one more.
fn change<V: Default>(lines: &mut Lines<V>, key: Text, change: impl FnOnce(&mut V)) -> bool {
    if let Some(line) = lines.get_mut(&key) {
        change(line);
        return false;
    }
    let is_folded = key != NOBODY && !has_room(lines);
    let key = if is_folded { Text::Static(OTHER) } else { key };
    change(lines.entry(key).or_default());
    is_folded
}

/// Whether one more key may have a line. The line for all others and that for nobody are not among those that are
/// bounded.
fn has_room<V>(lines: &Lines<V>) -> bool {
    let extra = [OTHER, NOBODY].into_iter().filter(|key| lines.contains_key(*key)).count();
    lines.len() - extra < MAX_KEYS
}

impl Amounts {
    fn add(&mut self, more: Self) {
        self.spent += more.spent;
        self.calls = self.calls.saturating_add(more.calls);
        self.tokens = self.tokens.saturating_add(more.tokens);
    }
}

fn lines(lines: Lines<Amounts>) -> Vec<CostLine> {
    let line = |(key, amounts): (Text, Amounts)| {
        let Amounts { spent, calls, tokens } = amounts;
        CostLine { key, spent: micro_usd(spent), calls, tokens }
    };
    let mut lines: Vec<CostLine> = lines.into_iter().map(line).collect();
    lines.sort_unstable_by(|a, b| b.spent.cmp(&a.spent).then_with(|| a.key.cmp(&b.key)));
    lines
}

fn savings_lines(savings: HashMap<&'static str, Lines<u128>>) -> Vec<SavingsLine> {
    let of_source = |(source, lines): (&'static str, Lines<u128>)| {
        let line = move |(primitive, saved)| SavingsLine {
            source: Text::Static(source),
            primitive,
            saved: micro_usd(saved),
        };
        lines.into_iter().map(line)
    };
    let mut lines: Vec<SavingsLine> = savings.into_iter().flat_map(of_source).collect();
    let place = |line: &SavingsLine| (line.source.clone(), line.primitive.clone());
    lines.sort_unstable_by(|a, b| b.saved.cmp(&a.saved).then_with(|| place(a).cmp(&place(b))));
    lines
}

fn micro_usd(amount: u128) -> MicroUsd {
    MicroUsd(i64::try_from(amount).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// An entry: its amount, tokens, and a key of each dimension, by number.
    type Entry = (u32, u16, [u16; DIMENSIONS]);

    fn text(number: u16) -> Text {
        if number == 0 { Text::Static(NOBODY) } else { number.to_string().into() }
    }

    fn sums(lines: &[CostLine]) -> (i64, u64, u64) {
        let sum = |(spent, calls, tokens): (i64, u64, u64), line: &CostLine| {
            (spent + line.spent.0, calls + line.calls, tokens + line.tokens)
        };
        lines.iter().fold((0, 0, 0), sum)
    }

    /// How many entries of a dimension come too late for a key of their own.
    fn late(keys: impl Iterator<Item = u16>) -> u64 {
        let (mut known, mut late) = (Vec::new(), 0);
        for key in keys.filter(|key| *key != 0) {
            match known.contains(&key) {
                true => {}
                false if known.len() < MAX_KEYS => known.push(key),
                false => late += 1,
            }
        }
        late
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn every_dimension_adds_up_to_the_total(
            entries in prop::collection::vec(any::<Entry>(), 0..4_000),
            keys in 1..3_000_u16,
        ) {
            let book = CostBook::default();
            for (spent, tokens, numbers) in &entries {
                let amounts = Amounts { spent: u128::from(*spent), calls: 1, tokens: u64::from(*tokens) };
                book.book().spend(numbers.map(|number| text(number % keys)), amounts);
                book.book().save("cache", &text(numbers[0] % keys), u128::from(*spent));
            }
            let report = book.report();
            let spent: i64 = entries.iter().map(|entry| i64::from(entry.0)).sum();
            let tokens = entries.iter().map(|entry| u64::from(entry.1)).sum();
            let total = (spent, entries.len() as u64, tokens);
            prop_assert_eq!((report.spent.0, report.calls, report.tokens), total);
            let CostReport { by_workflow, by_primitive, by_agent, by_session, by_model, .. } = &report;
            for lines in [by_workflow, by_primitive, by_agent, by_session, by_model] {
                prop_assert_eq!(sums(lines), total);
                prop_assert!(lines.len() <= MAX_KEYS + 2);
                prop_assert!(lines.is_sorted_by(|a, b| a.spent >= b.spent));
            }
            prop_assert_eq!(report.savings.iter().map(|line| line.saved.0).sum::<i64>(), spent);
            prop_assert_eq!(report.saved, report.spent);
            let by_dimension =
                (0..DIMENSIONS).map(|at| late(entries.iter().map(|(.., numbers)| numbers[at] % keys)));
            let savings = late(entries.iter().map(|(.., numbers)| numbers[0] % keys));
            prop_assert_eq!(report.folded, by_dimension.sum::<u64>() + savings);
        }
    }

    #[test]
    fn keys_beyond_the_bound_are_counted_together() {
        let book = CostBook::default();
        let one = Amounts { spent: 1, calls: 1, tokens: 1 };
        for number in 1..=1_500_u16 {
            book.book().spend(std::array::from_fn(|_| text(number)), one);
        }
        // One that has a line keeps it, and nobody always has one.
        book.book().spend(std::array::from_fn(|_| text(1)), one);
        book.book().spend(std::array::from_fn(|_| text(0)), one);
        let report = book.report();
        let line = |key: &str| report.by_session.iter().find(|line| line.key == *key).map(|line| line.calls);
        assert_eq!((line(OTHER), line("1"), line(NOBODY), line("1001")), (Some(500), Some(2), Some(1), None));
        assert_eq!((report.by_session.len(), report.folded), (MAX_KEYS + 2, 500 * DIMENSIONS as u64));
    }
}
