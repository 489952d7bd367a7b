//! Plays the answers of the offline model, at the pace of its script.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::Stream;
use tokio::time::{Sleep, sleep};

use crate::answer::{Answer, Piece, Told, Vectors};
use crate::error::CallFailure;
use crate::local::{self, Local, Script};
use crate::request::ChatRequest;
use crate::response::EmbedRequest;
use crate::tokens;
use crate::usage::Usage;

/// Checks that there is an offline model of a name, given with its provider, or says which there is.
pub(crate) fn check(name: &str) -> Result<(), &'static str> {
    if name == local::MODEL { Ok(()) } else { Err(local::MODEL) }
}

/// Answers when all of the answer would have come.
pub(crate) async fn chat(local: &Local, model: &str, request: &ChatRequest) -> Result<Answer, CallFailure> {
    let script = local::answer(request, local);
    let took =
        script.chunk_after.iter().fold(script.first_chunk_after, |sum, wait| sum.saturating_add(*wait));
    if !took.is_zero() {
        sleep(took).await;
    }
    let text = script.chunks.concat();
    Ok(Answer { text, ..last(script, model) })
}

/// Turns texts into vectors.
pub(crate) fn embed(model: &str, request: &EmbedRequest) -> Vectors {
    let input = request.texts.iter().map(|text| tokens::count(model, text)).sum();
    let usage =
        Told { usage: Usage { input_tokens: input, ..Usage::default() }, has_input: true, has_output: true };
    let vectors = local::embed(&request.texts, request.dimensions);
    Vectors { vectors, model: Some(model.to_owned()), usage }
}

/// What is known at the end of an answer.
fn last(script: Script, model: &str) -> Answer {
    Answer {
        tool_calls: script.tool_calls,
        finish_reason: Some(script.finish_reason),
        model: Some(model.to_owned()),
        usage: Told { usage: script.usage, has_input: true, has_output: true },
        ..Answer::default()
    }
}

/// The answer of the offline model as it comes.
pub(crate) struct LocalStream {
    chunks: std::vec::IntoIter<String>,
    waits: std::vec::IntoIter<Duration>,
    wait: Option<Pin<Box<Sleep>>>,
    /// The end; none once it has been given.
    end: Option<Box<Answer>>,
    has_begun: bool,
}

impl LocalStream {
    pub(crate) fn new(local: &Local, model: &str, request: &ChatRequest) -> Self {
        let mut script = local::answer(request, local);
        let chunks = std::mem::take(&mut script.chunks).into_iter();
        let waits = std::iter::once(script.first_chunk_after).chain(std::mem::take(&mut script.chunk_after));
        let waits = waits.collect::<Vec<_>>().into_iter();
        let end = Some(Box::new(last(script, model)));
        Self { chunks, waits, wait: None, end, has_begun: false }
    }

    /// What a provider would have told by now: what the prompt came to.
    pub(crate) fn so_far(&self) -> Option<Answer> {
        let end = self.end.as_ref().filter(|_| self.has_begun)?;
        let input_tokens = end.usage.usage.input_tokens;
        let usage =
            Told { usage: Usage { input_tokens, ..Usage::default() }, has_input: true, has_output: false };
        Some(Answer { model: end.model.clone(), usage, ..Answer::default() })
    }
}

impl Stream for LocalStream {
    type Item = Result<Piece, CallFailure>;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.wait.is_none()
            && let Some(wait) = self.waits.next().filter(|wait| !wait.is_zero())
        {
            self.wait = Some(Box::pin(sleep(wait)));
        }
        if let Some(wait) = &mut self.wait {
            ready!(wait.as_mut().poll(task));
            self.wait = None;
        }
        self.has_begun = true;
        let piece = match self.chunks.next() {
            Some(chunk) => Some(Piece::Text(chunk)),
            None => self.end.take().map(Piece::End),
        };
        Poll::Ready(piece.map(Ok))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_answer_may_take_for_ever() {
        let local = Local { pace: f64::INFINITY, ..Local::default() };
        let request = ChatRequest::user("Tests find faults. Faults cost money.");
        let answer = chat(&local, local::MODEL, &request);
        let a_year = Duration::from_secs(365 * 24 * 60 * 60);
        assert!(tokio::time::timeout(a_year, answer).await.is_err());
    }
}
