//! Models elsewhere, through a client that speaks each provider's wire format.
//!
//! The client's types end here: what goes in and out are our own.

mod calls;
mod convert;
mod failure;
mod frames;
mod stream;
mod usage;
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
        let key = self.key()?;
        // A copy of the body costs microseconds. Without it the client's word is all there is, and that leaves out tokens
        // that are billed and errors that came with status 200.
        let options = self.options(request, key.as_deref()).with_capture_raw_body(true);
        let asked = convert::request(request, self.provider.api);
        let call = self.client.exec_chat(self.target(model, key), asked, Some(&options));
        let response = self.within_time(call).await?;
        convert::answer(response)
    }

    /// Asks for a stream. It is sent when the stream is polled.
    pub(crate) async fn stream(
        &self,
        model: &str,
        request: &ChatRequest,
    ) -> Result<RemoteStream, CallFailure> {
        let (key, frames) = (self.key()?, Arc::new(Frames::new(self.reads_calls())));
        let options = self
            .options(request, key.as_deref())
            .with_capture_tool_calls(!self.reads_calls())
            .with_stream_header_timeout(self.provider.timeout)
            .with_stream_read_timeout(self.provider.idle_timeout)
            .with_raw_frame_sink_arc(Arc::clone(&frames) as _);
        let asked = convert::request(request, self.provider.api);
        let response = self.client.exec_chat_stream(self.target(model, key), asked, Some(&options)).await;
        let response = response.map_err(|error| failure::read(&error))?;
        Ok(RemoteStream::new(response.stream, frames))
    }

    /// Asks for vectors.
    pub(crate) async fn embed(&self, model: &str, request: &EmbedRequest) -> Result<Vectors, CallFailure> {
        let mut options = EmbedOptions::new().with_capture_usage(true);
        if let Some(dimensions) = request.dimensions {
            options = options.with_dimensions(dimensions as usize);
        }
        let key = self.key()?;
        options = options.with_headers(self.headers(key.as_deref()));
        let asked = genai::embed::EmbedRequest::from_texts(request.texts.clone());
        let call = self.client.exec_embed(self.target(model, key), asked, Some(&options));
        let response = self.within_time(call).await?;
        convert::vectors(response, request.texts.len())
    }

    /// Whether the calls of tools in a stream are read here, and not by the client.
    fn reads_calls(&self) -> bool {
        matches!(self.provider.api, Api::OpenAi | Api::Groq)
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

    fn target(&self, model: &str, key: Option<String>) -> ServiceTarget {
        let adapter = match self.provider.api {
            Api::OpenAi => AdapterKind::OpenAI,
            Api::Groq => AdapterKind::Groq,
            Api::Anthropic => AdapterKind::Anthropic,
            Api::Gemini => AdapterKind::Gemini,
            Api::Ollama => AdapterKind::Ollama,
        };
        // Servers that ask for no key ignore what they are given, and the client wants to give something.
        let auth = AuthData::from_single(key.unwrap_or_else(|| "none".to_owned()));
        ServiceTarget { endpoint: self.endpoint.clone(), auth, model: ModelIden::new(adapter, model) }
    }

    /// The key, if the provider wants one.
    fn key(&self) -> Result<Option<String>, CallFailure> {
        let Some(variable) = &self.provider.key_variable else { return Ok(None) };
        match std::env::var(variable).ok().filter(|key| !key.trim().is_empty()) {
            Some(key) => Ok(Some(key.trim().to_owned())),
            None => {
                let message = format!("there is no key; put it into the environment as {variable}");
                Err(CallFailure::new(FailureClass::Auth, &message))
            }
        }
    }

    /// The headers beside those of the format.
    fn headers(&self, key: Option<&str>) -> Headers {
        let mut headers = Vec::new();
        // The format has no key, but whoever serves it to others wants one.
        if let Some(key) = key.filter(|_| self.provider.api == Api::Ollama) {
            headers.push(("Authorization".to_owned(), format!("Bearer {key}")));
        }
        headers.extend(self.provider.headers.iter().cloned());
        Headers::from(headers)
    }

    fn options(&self, request: &ChatRequest, key: Option<&str>) -> ChatOptions {
        convert::options(request, self.provider.api).with_extra_headers(self.headers(key))
    }
}
