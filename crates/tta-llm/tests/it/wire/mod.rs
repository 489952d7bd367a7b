//! That every provider's wire format is written and read right.

pub(crate) mod check;
pub(crate) mod dialect;
pub(crate) mod server;

#[macro_use]
pub(crate) mod promises;

mod anthropic;
mod gemini;
mod groq;
mod hostile;
mod key;
mod ollama;
pub(crate) mod openai;
mod reach;
mod vllm;
