//! An answer as it comes.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures::{Stream, StreamExt};
use tta_primitives::{Description, Error, Primitive, Result, WorkflowContext};

use super::chat::describe;
use super::{Asking, Call, Callee};
use crate::answer::{Answer, Piece};
use crate::backend::BackendStream;
use crate::error::CallFailure;
use crate::model::Defaults;
use crate::request::{ChatRequest, ToolCall, size};
use crate::response::ChatResponse;

/// Asks a model for a stream. It has begun when the step ends: a refusal is an error of the step, which can be tried
/// again.
pub(crate) struct Streamed {
    pub(crate) callee: Arc<Callee>,
    pub(crate) defaults: Defaults,
}

impl Asking for Streamed {
    type Answer = ChatStream;
    const ACTION: &'static str = "stream";

    fn callee(&self) -> &Arc<Callee> {
        &self.callee
    }

    fn defaults(&self) -> &Defaults {
        &self.defaults
    }

    async fn ask(&self, request: ChatRequest, cx: &WorkflowContext) -> Result<ChatStream> {
        let (callee, request) = (&self.callee, self.defaults.fill(request));
        let call = Call::begin(callee, cx, || callee.estimate(&request))?;
        call.asks(&request);
        match call.during(callee.backend.stream(&callee.model, &request)).await {
            Ok(stream) => ChatStream::new(call, stream, request).begun().await,
            Err(failure) => Err(call.fail(failure, None)),
        }
    }
}

impl Primitive for Streamed {
    type In = ChatRequest;
    type Out = ChatStream;

    async fn run(&self, request: ChatRequest, cx: &WorkflowContext) -> Result<ChatStream> {
        self.ask(request, cx).await
    }

    fn describe(&self) -> Description {
        describe(&self.callee, Self::ACTION)
    }
}

/// A piece of an answer.
#[derive(Clone, PartialEq)]
pub enum Chunk {
    /// The model said this.
    Text(String),
    /// The model thought this.
    Thought(String),
    /// The answer has ended: all of it, with tokens and cost.
    Finished(Box<ChatResponse>),
}

/// The answer of a model as it comes.
///
/// The span of the call stays open until the stream has ended or is dropped. Dropped early, it ends as `cancelled`, and
/// what came is charged: the tokens that the provider told of, or else those that are counted here.
///
/// ```
/// use futures::StreamExt;
/// use tta_llm::{ChatRequest, Chunk, Models};
/// use tta_primitives::WorkflowContext;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let flow = Models::offline().model("local/textrank")?.stream();
/// let mut stream = flow.run("Tests find faults. Faults cost money.".into(), &WorkflowContext::new()).await?;
/// let mut said = String::new();
/// while let Some(chunk) = stream.next().await {
///     match chunk? {
///         Chunk::Text(text) => said.push_str(&text),
///         Chunk::Thought(_) => {}
///         Chunk::Finished(response) => assert_eq!(response.text, said),
///     }
/// }
/// # Ok(()) }
/// ```
#[must_use = "a stream that is dropped is cancelled"]
pub struct ChatStream {
    /// The call; none once it has ended.
    call: Option<Call>,
    stream: BackendStream,
    request: ChatRequest,
    /// What has come before anybody asked for it.
    ready: Option<Piece>,
    came: Came,
}

/// What has come of an answer.
#[derive(Default)]
struct Came {
    text: String,
    thoughts: String,
    /// The calls of tools, perhaps with half of their arguments.
    tool_calls: Vec<ToolCall>,
}

impl Came {
    fn is_empty(&self) -> bool {
        self.text.is_empty() && self.thoughts.is_empty() && self.tool_calls.is_empty()
    }

    /// An answer with what has come of it.
    fn onto(self, answer: Answer) -> Answer {
        Answer { text: self.text, thoughts: self.thoughts, tool_calls: self.tool_calls, ..answer }
    }
}

impl ChatStream {
    fn new(call: Call, stream: BackendStream, request: ChatRequest) -> Self {
        Self { call: Some(call), stream, request, ready: None, came: Came::default() }
    }

    /// Waits for the end of the answer.
    ///
    /// # Errors
    /// Why the stream broke.
    pub async fn response(mut self) -> Result<ChatResponse> {
        while let Some(chunk) = self.next().await {
            if let Chunk::Finished(response) = chunk? {
                return Ok(*response);
            }
        }
        Err(Error::failed(
            "the answer of the model was taken before; ask the stream for its response only once",
        ))
    }

    /// Waits for the first piece.
    async fn begun(mut self) -> Result<Self> {
        match poll_fn(|task| self.poll_piece(task)).await {
            Ok(piece) => self.ready = Some(piece),
            Err(failure) => return Err(self.broken(failure)),
        }
        Ok(self)
    }

    /// The next piece that is more than a sign of life.
    fn poll_piece(&mut self, task: &mut Context<'_>) -> Poll<Result<Piece, CallFailure>> {
        loop {
            let (Some(call), stream) = (&mut self.call, &mut self.stream) else { return Poll::Pending };
            match ready!(call.leaf().within(|| stream.poll_next_unpin(task))) {
                Some(Ok(Piece::Alive)) => {}
                Some(Ok(piece)) => {
                    if !matches!(piece, Piece::End(_)) {
                        call.chunk_came();
                    }
                    return Poll::Ready(Ok(piece));
                }
                Some(Err(failure)) => return Poll::Ready(Err(failure)),
                None => return Poll::Ready(Err(CallFailure::unfinished())),
            }
        }
    }

    /// As much as came of an answer, if the provider had begun to answer.
    fn partial(&mut self) -> Option<Answer> {
        match self.ready.take() {
            Some(Piece::End(answer)) => return Some(*answer),
            Some(piece) => self.keep(&piece),
            None => {}
        }
        let came = std::mem::take(&mut self.came);
        if came.is_empty() {
            return self.stream.so_far();
        }
        Some(came.onto(self.stream.so_far().unwrap_or_default()))
    }

    fn keep(&mut self, piece: &Piece) {
        match piece {
            Piece::Text(text) => self.came.text.push_str(text),
            Piece::Thought(thought) => self.came.thoughts.push_str(thought),
            Piece::Called(call) => match self.came.tool_calls.iter_mut().find(|known| known.id == call.id) {
                Some(known) => known.clone_from(call),
                None => self.came.tool_calls.push(call.clone()),
            },
            Piece::Alive | Piece::End(_) => {}
        }
    }

    fn broken(&mut self, failure: CallFailure) -> Error {
        let partial = self.partial();
        match self.call.take() {
            Some(call) => call.fail(failure, partial.map(|answer| (&self.request, answer))),
            None => Error::from(failure),
        }
    }

    fn finished(&mut self, answer: Answer) -> Option<Chunk> {
        let mut came = std::mem::take(&mut self.came);
        if !answer.tool_calls.is_empty() {
            came.tool_calls.clone_from(&answer.tool_calls);
        }
        let answer = came.onto(answer);
        let response = self.call.take()?.succeed(&self.request, answer);
        Some(Chunk::Finished(Box::new(response)))
    }
}

impl Stream for ChatStream {
    type Item = Result<Chunk>;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if self.call.is_none() {
                return Poll::Ready(None);
            }
            let piece = match self.ready.take() {
                Some(piece) => Ok(piece),
                None => ready!(self.poll_piece(task)),
            };
            let piece = match piece {
                Ok(Piece::End(answer)) => return Poll::Ready(self.finished(*answer).map(Ok)),
                Ok(piece) => piece,
                Err(failure) => return Poll::Ready(Some(Err(self.broken(failure)))),
            };
            self.keep(&piece);
            match piece {
                Piece::Text(text) => return Poll::Ready(Some(Ok(Chunk::Text(text)))),
                Piece::Thought(thought) => return Poll::Ready(Some(Ok(Chunk::Thought(thought)))),
                Piece::Called(_) | Piece::Alive | Piece::End(_) => {}
            }
        }
    }
}

impl Drop for ChatStream {
    fn drop(&mut self) {
        let partial = self.partial();
        if let Some(call) = self.call.take() {
            call.cancel(partial.map(|answer| (&self.request, answer)));
        }
    }
}

impl fmt::Debug for Chunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.debug_tuple("Text").field(&size(text)).finish(),
            Self::Thought(text) => f.debug_tuple("Thought").field(&size(text)).finish(),
            Self::Finished(response) => f.debug_tuple("Finished").field(response).finish(),
        }
    }
}

impl fmt::Debug for ChatStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChatStream")
            .field("has_ended", &self.call.is_none())
            .field("text", &size(&self.came.text))
            .finish_non_exhaustive()
    }
}
