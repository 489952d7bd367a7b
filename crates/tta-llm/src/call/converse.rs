//! A conversation so far, and what the model says next.

use tta_primitives::{Description, Primitive, Result, WorkflowContext};

use super::chat::describe;
use super::{Asking, Chat};
use crate::request::{ChatRequest, Message};

/// Goes on with a conversation.
pub(crate) struct Converse {
    pub(crate) chat: Chat,
}

impl Primitive for Converse {
    type In = Vec<Message>;
    type Out = Message;

    async fn run(&self, messages: Vec<Message>, cx: &WorkflowContext) -> Result<Message> {
        Ok(self.chat.ask(ChatRequest::from(messages), cx).await?.into_message())
    }

    fn describe(&self) -> Description {
        describe(&self.chat.callee, "converse")
    }
}
