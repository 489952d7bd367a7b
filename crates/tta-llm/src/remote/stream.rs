//! The stream of a provider.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures::Stream;
use genai::chat::{ChatStream, ChatStreamEvent, StreamEnd};

use super::calls::Calls;
use super::frames::{Frames, Seen};
use super::{convert, failure};
use crate::answer::{Answer, Piece};
use crate::error::CallFailure;

/// The answer of a provider as it comes.
pub(crate) struct RemoteStream {
    stream: ChatStream,
    frames: Arc<Frames>,
    /// How many calls of tools have come whole, without an identifier of the provider's.
    nameless_calls: usize,
    has_ended: bool,
}

impl RemoteStream {
    pub(super) fn new(stream: ChatStream, frames: Arc<Frames>) -> Self {
        Self { stream, frames, nameless_calls: 0, has_ended: false }
    }

    /// What is known although the stream has not ended: the model, and what was told of the tokens. None if nothing
    /// has come.
    pub(crate) fn so_far(&self) -> Option<Answer> {
        let seen = self.frames.seen();
        seen.any().then(|| {
            let Seen { model, id, usage, .. } = seen.clone();
            Answer { model, id, usage, ..Answer::default() }
        })
    }

    fn end(&self, end: StreamEnd) -> Result<Piece, CallFailure> {
        let Some(reason) = end.captured_stop_reason else {
            return Err(self.unfinished());
        };
        let mut answer = self.so_far().unwrap_or_default();
        let read_here = self.frames.seen().calls.as_ref().map(Calls::all);
        answer.tool_calls = read_here.unwrap_or_else(|| {
            let calls = end.captured_content.map(|content| content.into_tool_calls()).unwrap_or_default();
            let mut calls: Vec<_> = calls.into_iter().map(convert::tool_call).collect();
            let mut nameless_calls = 0;
            calls.iter_mut().for_each(|call| convert::name_call(call, &mut nameless_calls));
            calls
        });
        answer.finish_reason = Some(convert::finish_reason(reason, !answer.tool_calls.is_empty()));
        Ok(Piece::End(Box::new(answer)))
    }

    /// A piece of a call of a tool.
    fn called(&mut self, call: genai::chat::ToolCall) -> Result<Piece, CallFailure> {
        let seen = self.frames.seen();
        if let Some(calls) = &seen.calls {
            let failure = seen.failure().filter(|_| calls.are_too_many);
            return failure.map_or_else(|| Ok(calls.latest().map_or(Piece::Alive, Piece::Called)), Err);
        }
        drop(seen);
        let mut call = convert::half_tool_call(call);
        convert::name_call(&mut call, &mut self.nameless_calls);
        Ok(Piece::Called(call))
    }

    /// Why there is no end.
    fn unfinished(&self) -> CallFailure {
        self.frames.seen().failure().unwrap_or_else(CallFailure::unfinished)
    }
}

impl Stream for RemoteStream {
    type Item = Result<Piece, CallFailure>;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.has_ended {
            return Poll::Ready(None);
        }
        let piece = match ready!(Pin::new(&mut self.stream).poll_next(task)) {
            Some(Ok(ChatStreamEvent::Chunk(chunk))) => Ok(Piece::Text(chunk.content)),
            Some(Ok(ChatStreamEvent::ReasoningChunk(chunk))) => Ok(Piece::Thought(chunk.content)),
            Some(Ok(ChatStreamEvent::ToolCallChunk(chunk))) => self.called(chunk.tool_call),
            Some(Ok(
                ChatStreamEvent::Start
                | ChatStreamEvent::Heartbeat
                | ChatStreamEvent::ThoughtSignatureChunk(_),
            )) => Ok(Piece::Alive),
            Some(Ok(ChatStreamEvent::End(end))) => self.end(end),
            Some(Err(error)) => Err(self.frames.seen().failure().unwrap_or_else(|| failure::read(&error))),
            None => Err(self.unfinished()),
        };
        self.has_ended = matches!(piece, Ok(Piece::End(_)) | Err(_));
        Poll::Ready(Some(piece))
    }
}
