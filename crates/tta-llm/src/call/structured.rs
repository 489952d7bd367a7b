//! A question whose answer is a value of a type.

use std::marker::PhantomData;

use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use tta_primitives::{Description, Primitive, Result, WorkflowContext};

use super::chat::describe;
use super::{Asking, Chat};
use crate::request::{ChatRequest, ResponseFormat};

/// Asks a model for a value of a type.
pub(crate) struct Structured<T> {
    chat: Chat,
    format: ResponseFormat,
    answer: PhantomData<fn() -> T>,
}

impl<T: JsonSchema> Structured<T> {
    pub(crate) fn new(chat: Chat) -> Self {
        // Providers want one schema without references to elsewhere.
        let settings = SchemaSettings::draft2020_12().with(|settings| {
            settings.inline_subschemas = true;
            settings.meta_schema = None;
        });
        let schema = Json::from(SchemaGenerator::new(settings).into_root_schema_for::<T>());
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let name = T::schema_name().chars().map(|c| if is_word(c) { c } else { '_' }).take(64).collect();
        Self { chat, format: ResponseFormat::Schema { name, schema }, answer: PhantomData }
    }
}

impl<T: DeserializeOwned + JsonSchema + Send + 'static> Primitive for Structured<T> {
    type In = ChatRequest;
    type Out = T;

    async fn run(&self, request: ChatRequest, cx: &WorkflowContext) -> Result<T> {
        let request = request.format(self.format.clone());
        self.chat.ask(request, cx).await?.json()
    }

    fn describe(&self) -> Description {
        describe(&self.chat.callee, "structured")
    }
}
