//! `model_calls`: one row for each span that tells of model calls.

use std::sync::Arc;

use super::super::source::Source;
use super::super::table::{Cell, Col, ColumnType::*, Rows, Table, Wanted, key, said, time};
use crate::read::{ModelCall, ModelCallWalk, ReadError};

pub(in crate::sql) struct ModelCalls;

pub(in crate::sql) struct CallRow {
    call: ModelCall,
    source: Arc<Source>,
}

type Column = Col<CallRow>;

impl Table for ModelCalls {
    type Row = CallRow;
    const NAME: &'static str = "model_calls";
    const ABOUT: &'static str = "the model calls of one span: what they took and cost";
    const COLUMNS: &'static [Column] = &[
        Column::new("time_unix_ns", Integer, "when the span started, in nanoseconds since 1970", |row| {
            Ok(row.call.start.into())
        }),
        Column::new("time", Text, "when the span started, as RFC 3339 in UTC", |row| {
            Ok(time(row.call.start))
        }),
        Column::new("service", Text, "the service", |row| {
            Ok(Cell::Shared(Arc::clone(&row.call.shape.service)))
        }),
        Column::new("workflow", Text, "the workflow", |row| Ok(said(&row.call.shape.workflow))),
        Column::new("agent", Text, "the instance of the agent", |row| Ok(said(&row.call.agent))),
        Column::new("agent_type", Text, "the kind of agent", |row| Ok(said(&row.call.shape.agent_type))),
        Column::new("session", Text, "the session", |row| Ok(said(&row.call.session))),
        Column::new("provider", Text, "the provider of the model", |row| Ok(said(&row.call.shape.provider))),
        Column::new("model", Text, "the model", |row| Ok(said(&row.call.shape.model))),
        Column::new("prompt_tokens", Integer, "the tokens of the prompts", |row| {
            Ok(row.call.prompt_tokens.into())
        }),
        Column::new("completion_tokens", Integer, "the tokens of the answers", |row| {
            Ok(row.call.completion_tokens.into())
        }),
        Column::new("cost_usd", Real, "what they cost, in US dollars", |row| Ok(row.call.cost_usd.into())),
        Column::new(
            "unpriced",
            Integer,
            "1 if there are tokens of which nobody said what they cost, else 0",
            |row| Ok(i64::from(row.call.is_unpriced).into()),
        ),
        Column::new("trace_id", Text, "the trace, in 32 hexadecimal digits", |row| {
            Ok(Cell::from(row.call.trace_id(&row.source.reader)?.map(|id| id.to_string())))
        }),
        Column::new("span_id", Text, "the span, in 16 hexadecimal digits", |row| {
            Ok(Cell::from(row.call.span_id().map(|id| id.to_string())))
        }),
    ];

    fn rows(source: &Arc<Source>, _wanted: &Wanted) -> Result<Rows<CallRow>, ReadError> {
        let source = Arc::clone(source);
        let mut walk = ModelCallWalk::new(&source.reader);
        Ok(Box::new(std::iter::from_fn(move || {
            Some(walk.next().transpose()?.map(|call| CallRow { call, source: Arc::clone(&source) }))
        })))
    }

    fn key(row: &CallRow) -> u64 {
        key(&[&row.call.id.0.to_le_bytes(), &row.call.id.1.to_le_bytes()])
    }
}
