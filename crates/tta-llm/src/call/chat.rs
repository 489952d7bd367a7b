//! A question and its whole answer.

use std::sync::Arc;

use tta_model::name::attribute;
use tta_primitives::{Description, Primitive, Result, WorkflowContext};

use super::{Asking, Call, Callee};
use crate::answer::Answer;
use crate::model::Defaults;
use crate::request::ChatRequest;
use crate::response::ChatResponse;

/// Asks a model, and waits for the whole answer.
pub(crate) struct Chat {
    pub(crate) callee: Arc<Callee>,
    pub(crate) defaults: Defaults,
}

impl Asking for Chat {
    type Answer = ChatResponse;
    const ACTION: &'static str = "chat";

    fn callee(&self) -> &Arc<Callee> {
        &self.callee
    }

    fn defaults(&self) -> &Defaults {
        &self.defaults
    }

    async fn ask(&self, request: ChatRequest, cx: &WorkflowContext) -> Result<ChatResponse> {
        let (callee, request) = (&self.callee, self.defaults.fill(request));
        let call = Call::begin(callee, cx, || callee.estimate(&request))?;
        call.asks(&request);
        match call.during(callee.backend.chat(&callee.model, &request)).await {
            Ok(answer) => Ok(call.succeed(&request, answer)),
            Err(failure) => {
                // What could not be read is billed all the same, if it told of its tokens.
                let partial = failure.told.as_deref().copied();
                let partial = partial.map(|usage| (&request, Answer { usage, ..Answer::default() }));
                Err(call.fail(failure, partial))
            }
        }
    }
}

impl Primitive for Chat {
    type In = ChatRequest;
    type Out = ChatResponse;

    async fn run(&self, request: ChatRequest, cx: &WorkflowContext) -> Result<ChatResponse> {
        self.ask(request, cx).await
    }

    fn describe(&self) -> Description {
        describe(&self.callee, Self::ACTION)
    }
}

/// Describes a primitive that calls a model.
pub(super) fn describe(callee: &Callee, action: &'static str) -> Description {
    Description::new("llm")
        .named(callee.model.clone())
        .action(action)
        .attribute(attribute::LLM_PROVIDER.key(), callee.provider.clone())
        .attribute(attribute::LLM_MODEL_NAME.key(), callee.model.clone())
}
