//! Texts as vectors.

use std::sync::Arc;

use tta_model::Text;
use tta_primitives::{Description, MicroUsd, Primitive, Result, WorkflowContext};

use super::chat::describe;
use super::{Call, Callee, Outcome};
use crate::answer::{Answer, Vectors};
use crate::response::{EmbedRequest, Embeddings};
use crate::tokens;
use crate::usage::Usage;

/// Turns texts into vectors.
pub(crate) struct Embed {
    pub(crate) callee: Arc<Callee>,
}

impl Embed {
    fn count(&self, request: &EmbedRequest) -> u64 {
        request.texts.iter().map(|text| tokens::count(&self.callee.model, text)).sum()
    }

    fn estimate(&self, request: &EmbedRequest) -> MicroUsd {
        let price = self.callee.price.as_ref();
        price.map_or(MicroUsd(0), |price| price.estimate(self.count(request), 0))
    }

    fn finish(&self, mut call: Call, request: &EmbedRequest, vectors: Vectors) -> Embeddings {
        let mut usage = Usage { output_tokens: 0, ..vectors.usage.usage };
        if !vectors.usage.has_input {
            usage = Usage::estimated(self.count(request), 0);
        }
        let answer = Answer { model: vectors.model, ..Answer::default() };
        let cost = call.end(&Outcome { usage, error_type: None, answer: Some(&answer) });
        let Callee { provider, model, .. } = &*self.callee;
        let model = answer.model.map_or_else(|| model.clone(), Text::from);
        Embeddings { vectors: vectors.vectors, provider: provider.clone(), model, usage, cost }
    }
}

impl Primitive for Embed {
    type In = EmbedRequest;
    type Out = Embeddings;

    async fn run(&self, request: EmbedRequest, cx: &WorkflowContext) -> Result<Embeddings> {
        let callee = &self.callee;
        let call = Call::begin(callee, cx, || self.estimate(&request))?;
        match call.during(callee.backend.embed(&callee.model, &request)).await {
            Ok(vectors) => Ok(self.finish(call, &request, vectors)),
            Err(failure) => Err(call.fail(failure, None)),
        }
    }

    fn describe(&self) -> Description {
        describe(&self.callee, "embed")
    }
}
