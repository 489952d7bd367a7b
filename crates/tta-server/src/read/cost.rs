//! What model calls cost, and who made them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use foldhash::fast::RandomState;
use rusqlite::{Row, params};

use super::snapshot::Snapshot;
use super::{ReadError, Reader, Times};

/// What the cost is told by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CostBy {
    /// The model.
    Model,
    /// The provider.
    Provider,
    /// The service.
    Service,
    /// The workflow.
    Workflow,
    /// The instance of the agent.
    Agent,
    /// The kind of agent.
    AgentType,
    /// The session.
    Session,
}

impl CostBy {
    fn column(self) -> &'static str {
        match self {
            Self::Model => "shape.model",
            Self::Provider => "shape.provider",
            Self::Service => "shape.service",
            Self::Workflow => "shape.workflow",
            Self::AgentType => "shape.agent_type",
            Self::Agent => "call.agent",
            Self::Session => "call.session",
        }
    }
}

/// Which model calls are wanted.
#[derive(Clone, Debug)]
pub struct CostQuery {
    /// Those that started in this time.
    pub times: Times,
    /// What they are told by.
    pub by: CostBy,
}

/// Model calls that have something in common.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CostRow {
    /// The model, workflow or whatever was asked for; empty for the calls that do not say.
    pub key: String,
    /// How many spans tell of model calls. A span that comes again counts once.
    pub calls: u64,
    /// Tokens of the prompts.
    pub prompt_tokens: u64,
    /// Tokens of the answers.
    pub completion_tokens: u64,
    /// What they cost, in US dollars, as far as it is known.
    pub cost_usd: f64,
    /// How many of them used tokens of which nobody said what they cost: they are missing in `cost_usd`.
    pub unpriced_calls: u64,
}

/// What one span tells of its model calls.
struct Call {
    prompt_tokens: u64,
    completion_tokens: u64,
    cost_usd: f64,
    is_unpriced: bool,
}

/// Sums up the cost of model calls, the dearest first.
///
/// # Errors
///
/// When the files cannot be read.
pub fn cost(reader: &Reader, query: &CostQuery) -> Result<Vec<CostRow>, ReadError> {
    // The copy of a span that came last is the one that counts, also if it now lies out of the time.
    let mut calls: HashMap<(i64, i64), Option<(usize, Call)>, RandomState> = HashMap::default();
    let mut keys: Vec<String> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    reader.each(|snapshot| {
        let mut words: HashMap<u32, usize> = HashMap::new();
        each_call(snapshot, query, |id, word, call| {
            let at = match words.entry(word) {
                Entry::Occupied(known) => *known.get(),
                Entry::Vacant(new) => {
                    let place = places.entry(snapshot.text(word)?.to_string());
                    *new.insert(*place.or_insert_with_key(|key| {
                        keys.push(key.clone());
                        keys.len() - 1
                    }))
                }
            };
            calls.insert(id, call.map(|call| (at, call)));
            Ok(())
        })
    })?;
    let mut rows: Vec<CostRow> = keys.into_iter().map(|key| CostRow { key, ..CostRow::default() }).collect();
    for (at, call) in calls.into_values().flatten() {
        let row = &mut rows[at];
        row.calls += 1;
        row.prompt_tokens += call.prompt_tokens;
        row.completion_tokens += call.completion_tokens;
        row.cost_usd += call.cost_usd;
        row.unpriced_calls += u64::from(call.is_unpriced);
    }
    rows.retain(|row| row.calls > 0);
    rows.sort_by(|one, other| other.cost_usd.total_cmp(&one.cost_usd).then_with(|| one.key.cmp(&other.key)));
    Ok(rows)
}

fn each_call(
    snapshot: &Snapshot<'_>,
    query: &CostQuery,
    mut each: impl FnMut((i64, i64), u32, Option<Call>) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let statement = format!(
        "SELECT trace, span, {}, prompt_tokens, completion_tokens, cost_usd,
                ifnull(unpriced, cost_usd = 0 AND prompt_tokens + completion_tokens > 0), start BETWEEN ?1 AND ?2
         FROM model_call AS call JOIN shape ON shape.id = call.shape ORDER BY call.rowid",
        query.by.column()
    );
    let mut all = snapshot.file().prepare_cached(&statement)?;
    let mut rows = all.query(params![*query.times.start(), *query.times.end()])?;
    while let Some(row) = rows.next()? {
        let call = row.get::<_, bool>(7)?.then(|| call(row)).transpose()?;
        each((row.get(0)?, row.get(1)?), row.get(2)?, call)?;
    }
    Ok(())
}

fn call(row: &Row<'_>) -> rusqlite::Result<Call> {
    let tokens = |at| row.get::<_, i64>(at).map(i64::cast_unsigned);
    Ok(Call {
        prompt_tokens: tokens(3)?,
        completion_tokens: tokens(4)?,
        cost_usd: row.get(5)?,
        is_unpriced: row.get(6)?,
    })
}
