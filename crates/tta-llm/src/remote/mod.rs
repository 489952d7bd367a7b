//! Models elsewhere, through a client that speaks each provider's wire format.
//!
//! The client's types end here: what goes in and out are our own.

mod convert;
mod failure;
mod frames;
mod stream;
mod web;

use std::sync::Arc;

use genai::adapter::AdapterKind;
use genai::chat::ChatOptions;
use genai::embed::EmbedOptions;
use genai::resolver::{AuthData, Endpoint};
use genai::{Client, Headers, ModelIden, ServiceTarget};

use crate::answer::{Answer, Vectors};
use crate::error::{CallFailure, FailureClass};
use crate::provider::{Api, Provider};
use crate::request::ChatRequest;
use crate::response::EmbedRequest;

pub(crate) use stream::RemoteStream;
pub use web::Unreachable;
pub(crate) use web::address;

use frames::Frames;

/// A provider with a connection pool of its own.
#[derive(Clone)]
pub(crate) struct Remote {
    client: Client,
    provider: Arc<Provider>,
    endpoint: Endpoint,
}

impl Remote {
    /// Makes the client. Nothing is sent.
    pub(crate) fn new(provider: Provider) -> Result<Self, Unreachable> {
        let client = web::client(&provider)?;
        let client = Client::builder().with_reqwest(client).build();
        let client = client.map_err(|error| Unreachable::new(&provider, &error))?;
        let endpoint = Endpoint::from_owned(format!("{}/", provider.base_url.trim_end_matches('/')));
        Ok(Self { client, provider: Arc::new(provider), endpoint })
    }

    pub(crate) fn provider(&self) -> &Provider {
        &self.provider
    }

    /// Asks, and waits for the whole answer.
    pub(crate) async fn chat(&self, model: &str, request: &ChatRequest) -> Result<Answer, CallFailure> {
        let options = self.options(request);
        let asked = convert::request(request);
        let call = self.client.exec_chat(self.target(model), asked, Some(&options));
        let response = self.within_time(call).await?;
        Ok(convert::answer(response))
    }

    /// Asks for a stream. It is sent when the stream is polled.
    pub(crate) async fn stream(
        &self,
        model: &str,
        request: &ChatRequest,
    ) -> Result<RemoteStream, CallFailure> {
        let frames = Arc::new(Frames::new(self.provider.api));
        let options = self
            .options(request)
            .with_capture_tool_calls(true)
            .with_stream_header_timeout(self.provider.timeout)
            .with_stream_read_timeout(self.provider.idle_timeout)
            .with_raw_frame_sink_arc(Arc::clone(&frames) as _);
        let asked = convert::request(request);
        let response = self.client.exec_chat_stream(self.target(model), asked, Some(&options)).await;
        let response = response.map_err(|error| failure::read(&error))?;
        Ok(RemoteStream::new(response.stream, frames))
    }

    /// Asks for vectors.
    pub(crate) async fn embed(&self, model: &str, request: &EmbedRequest) -> Result<Vectors, CallFailure> {
        let mut options = EmbedOptions::new().with_capture_usage(true);
        if let Some(dimensions) = request.dimensions {
            options = options.with_dimensions(dimensions as usize);
        }
        if !self.provider.headers.is_empty() {
            options = options.with_headers(Headers::from(self.provider.headers.clone()));
        }
        let asked = genai::embed::EmbedRequest::from_texts(request.texts.clone());
        let call = self.client.exec_embed(self.target(model), asked, Some(&options));
        let response = self.within_time(call).await?;
        convert::vectors(response, request.texts.len())
    }

    async fn within_time<T>(&self, call: impl Future<Output = genai::Result<T>>) -> Result<T, CallFailure> {
        let limit = self.provider.timeout;
        match tokio::time::timeout(limit, call).await {
            Ok(result) => result.map_err(|error| failure::read(&error)),
            Err(_) => {
                let message = format!("no answer within {limit:?}; the provider's `timeout` sets the limit");
                Err(CallFailure::new(FailureClass::Timeout, &message))
            }
        }
    }

    fn target(&self, model: &str) -> ServiceTarget {
        let adapter = match self.provider.api {
            Api::OpenAi => AdapterKind::OpenAI,
            Api::Groq => AdapterKind::Groq,
            Api::Anthropic => AdapterKind::Anthropic,
            Api::Gemini => AdapterKind::Gemini,
            Api::Ollama => AdapterKind::Ollama,
        };
        let auth = match &self.provider.key_variable {
            Some(variable) => AuthData::from_env(variable),
            // Servers that ask for no key ignore what they are given, and the client wants to give something.
            None => AuthData::from_single("none"),
        };
        ServiceTarget { endpoint: self.endpoint.clone(), auth, model: ModelIden::new(adapter, model) }
    }

    fn options(&self, request: &ChatRequest) -> ChatOptions {
        let mut options = convert::options(request);
        if !self.provider.headers.is_empty() {
            options = options.with_extra_headers(Headers::from(self.provider.headers.clone()));
        }
        options
    }
}
