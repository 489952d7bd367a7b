//! Where the calls of a model go: to a provider, or nowhere.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures::Stream;
use tta_model::Text;

use crate::answer::{Answer, Piece, Vectors};
use crate::error::CallFailure;
use crate::local::{self, Local};
use crate::play::{self, LocalStream};
use crate::remote::{self, Remote, RemoteStream};
use crate::request::ChatRequest;
use crate::response::EmbedRequest;

/// Where the calls of a model go.
#[derive(Clone)]
pub(crate) enum Backend {
    Remote(Remote),
    Local(Local),
}

impl Backend {
    pub(crate) fn provider(&self) -> Text {
        match self {
            Self::Remote(remote) => remote.provider().name.clone(),
            Self::Local(_) => Text::Static(local::PROVIDER),
        }
    }

    /// The variable of the environment that holds the key, if there is one.
    pub(crate) fn key_variable(&self) -> Option<&str> {
        match self {
            Self::Remote(remote) => remote.provider().key_variable.as_deref(),
            Self::Local(_) => None,
        }
    }

    /// The host and the port; an empty host if there is none.
    pub(crate) fn address(&self) -> (Text, Option<u16>) {
        match self {
            Self::Remote(remote) => remote::address(remote.provider()),
            Self::Local(_) => (Text::default(), None),
        }
    }

    pub(crate) async fn chat(&self, model: &str, request: &ChatRequest) -> Result<Answer, CallFailure> {
        match self {
            Self::Remote(remote) => remote.chat(model, request).await,
            Self::Local(local) => play::chat(local, model, request).await,
        }
    }

    pub(crate) async fn stream(
        &self,
        model: &str,
        request: &ChatRequest,
    ) -> Result<BackendStream, CallFailure> {
        match self {
            Self::Remote(remote) => remote.stream(model, request).await.map(BackendStream::Remote),
            Self::Local(local) => Ok(BackendStream::Local(LocalStream::new(local, model, request))),
        }
    }

    pub(crate) async fn embed(&self, model: &str, request: &EmbedRequest) -> Result<Vectors, CallFailure> {
        match self {
            Self::Remote(remote) => remote.embed(model, request).await,
            Self::Local(_) => Ok(play::embed(model, request)),
        }
    }
}

/// An answer as it comes.
pub(crate) enum BackendStream {
    Remote(RemoteStream),
    Local(LocalStream),
}

impl BackendStream {
    /// What is known although the stream has not ended; none if nothing has come.
    pub(crate) fn so_far(&self) -> Option<Answer> {
        match self {
            Self::Remote(stream) => stream.so_far(),
            Self::Local(stream) => stream.so_far(),
        }
    }
}

impl Stream for BackendStream {
    type Item = Result<Piece, CallFailure>;

    fn poll_next(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.get_mut() {
            Self::Remote(stream) => Pin::new(stream).poll_next(task),
            Self::Local(stream) => Pin::new(stream).poll_next(task),
        }
    }
}
