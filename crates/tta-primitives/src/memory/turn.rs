//! A flow that takes part in conversations.

use std::sync::Arc;

use tta_model::name::attribute;

use super::settings::ConversationMemory;
use crate::cache::CacheKey;
use crate::context::WorkflowContext;
use crate::error::{Error, Result};
use crate::flow::{Flow, Role};
use crate::primitive::{Description, Primitive};

impl<M, S> Flow<Vec<M>, M, S>
where
    M: Clone + Send + Sync + 'static,
{
    /// Makes of a flow that answers from all messages so far one that takes the next message. What was said before
    /// in the session is put before the message, and after a success both the message and the answer are
    /// remembered.
    ///
    /// The conversation is that of the context's [session](WorkflowContext::session_id); without one the flow fails
    /// with an error of kind [`Invalid`](crate::ErrorKind::Invalid). Whoever knows the session hears the conversation,
    /// so take it from what the caller has proved to be, not from what they say.
    ///
    /// # Concurrency
    /// Two turns of the same conversation at the same time come one after the other, in the order of their arrival,
    /// so that the second one knows what the first one answered. That holds for all flows of this process that share
    /// the memory; turns in other processes may not know of each other, but none is cut in two. A flow that speaks in
    /// a conversation in the middle of its own turn does not wait for itself, and its words come first. Flows that
    /// speak in two conversations at once, one inside the other, must do so in the same order.
    ///
    /// # Cancellation
    /// A turn that fails or is cancelled before its answer leaves the memory as it was. One that is cancelled while it
    /// is written is remembered as a whole or not at all.
    #[must_use]
    pub fn with_memory(self, memory: &ConversationMemory<M>) -> Flow<M, M> {
        self.with_memory_by(memory, |_, cx| cx.session_id().map(str::to_owned))
    }

    /// The same, with the key of the conversation made of the message and the context; none where there is no
    /// conversation, which is an error of kind [`Invalid`](crate::ErrorKind::Invalid).
    ///
    /// ```
    /// use tta_primitives::{ConversationMemory, WorkflowContext, step};
    ///
    /// #[derive(Clone)]
    /// struct Message { room: u32, text: String }
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> tta_primitives::Result<()> {
    /// let answer = step("answer", |said: Vec<Message>| async move {
    ///     Ok(Message { room: said[0].room, text: format!("message {}", said.len()) })
    /// });
    /// let memory = ConversationMemory::new("rooms");
    /// let chat = answer.with_memory_by(&memory, |message, _| Some(message.room));
    /// let said = chat.run(Message { room: 7, text: "Hello".into() }, &WorkflowContext::new()).await?;
    /// assert_eq!(said.text, "message 1");
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn with_memory_by<K: ToString>(
        self,
        memory: &ConversationMemory<M>,
        key: impl Fn(&M, &WorkflowContext) -> Option<K> + Send + Sync + 'static,
    ) -> Flow<M, M> {
        let key = move |message: &M, cx: &WorkflowContext| Some(CacheKey::new(key(message, cx)?.to_string()));
        let flow = Flow::of_node(self.node);
        Flow::new(Remembering { flow, memory: memory.clone(), key: Arc::new(key) })
    }
}

/// Finds the conversation of a message.
type Find<M> = Arc<dyn Fn(&M, &WorkflowContext) -> Option<CacheKey> + Send + Sync>;

struct Remembering<M> {
    flow: Flow<Vec<M>, M>,
    memory: ConversationMemory<M>,
    key: Find<M>,
}

impl<M: Clone + Send + Sync + 'static> Primitive for Remembering<M> {
    type In = M;
    type Out = M;

    async fn run(&self, message: M, cx: &WorkflowContext) -> Result<M> {
        let key = (self.key)(&message, cx).ok_or_else(|| {
            Error::invalid(format!(
                "memory {} has no key for the conversation; give the context a session_id, or say with \
                 with_memory_by how the key is found",
                self.memory.name
            ))
        })?;
        let turns = &self.memory.shared.turns;
        let keeper = Arc::as_ptr(turns).addr();
        // A caller of this very turn would wait for itself.
        let _turn = match cx.holds(keeper, key.text()) {
            true => None,
            false => Some(turns.begin(&key).await),
        };
        let mut said = self.memory.read(&key, cx).await;
        said.push(message.clone());
        let answer = self.flow.call(0, said, &cx.holding(keeper, key.text()), &[]).await?;
        self.memory.write(&key, vec![message, answer.clone()], cx).await;
        Ok(answer)
    }

    fn describe(&self) -> Description {
        let memory = &self.memory;
        Description::new("memory")
            .named(memory.name.clone())
            .attribute(attribute::MEMORY_NAME.key(), memory.name.clone())
            .attribute(attribute::MEMORY_TYPE.key(), memory.shared.store.backend())
            .child(Role::Inner, &self.flow)
    }
}
