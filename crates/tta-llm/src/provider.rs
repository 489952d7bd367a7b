//! Who runs models, and how they are reached.

use std::fmt;
use std::time::Duration;

use tta_model::Text;

/// How long a whole answer may take.
const TIMEOUT: Duration = Duration::from_secs(120);
/// How long it may take to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a stream may say nothing.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// The wire format that a provider speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Api {
    /// OpenAI's chat completions, which most others speak too.
    OpenAi,
    /// The same with the usage of a stream where Groq puts it.
    Groq,
    /// Anthropic's messages.
    Anthropic,
    /// Google's Gemini.
    Gemini,
    /// Ollama's own.
    Ollama,
}

/// Who runs models, and how they are reached.
///
/// Keys come from the environment, at each call, so that they are never in a program, nor printed, and can be changed
/// while it runs. Here is only the name of the variable.
///
/// ```
/// use std::time::Duration;
/// use tta_llm::Provider;
///
/// let vllm = Provider::openai_compatible("vllm", "http://127.0.0.1:8000/v1").timeout(Duration::from_secs(30));
/// let proxied = Provider::anthropic().base_url("https://llm.example.com/anthropic/v1").key_from_env("LLM_GATEWAY_KEY");
/// assert_eq!((vllm.name(), proxied.name()), ("vllm", "anthropic"));
/// ```
#[derive(Clone)]
pub struct Provider {
    pub(crate) name: Text,
    pub(crate) api: Api,
    pub(crate) base_url: String,
    pub(crate) key_variable: Option<String>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) timeout: Duration,
    pub(crate) connect_timeout: Duration,
    pub(crate) idle_timeout: Duration,
    pub(crate) proxy: Option<String>,
}

impl Provider {
    fn of(name: &'static str, api: Api, base_url: &str, key_variable: &str) -> Self {
        Self::new(name, api, base_url).key_from_env(key_variable)
    }

    /// A provider by the wire format that it speaks, without a key. The name is a label, so it should be one of few.
    #[must_use]
    pub fn new(name: impl Into<Text>, api: Api, base_url: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            api,
            base_url: base_url.into(),
            key_variable: None,
            headers: Vec::new(),
            timeout: TIMEOUT,
            connect_timeout: CONNECT_TIMEOUT,
            idle_timeout: IDLE_TIMEOUT,
            proxy: None,
        }
    }

    /// `openai`, with the key in `OPENAI_API_KEY`.
    #[must_use]
    pub fn openai() -> Self {
        Self::of("openai", Api::OpenAi, "https://api.openai.com/v1", "OPENAI_API_KEY")
    }

    /// `anthropic`, with the key in `ANTHROPIC_API_KEY`.
    #[must_use]
    pub fn anthropic() -> Self {
        Self::of("anthropic", Api::Anthropic, "https://api.anthropic.com/v1", "ANTHROPIC_API_KEY")
    }

    /// `gemini`, with the key in `GEMINI_API_KEY`.
    #[must_use]
    pub fn gemini() -> Self {
        Self::of("gemini", Api::Gemini, "https://generativelanguage.googleapis.com/v1beta", "GEMINI_API_KEY")
    }

    /// `groq`, with the key in `GROQ_API_KEY`.
    #[must_use]
    pub fn groq() -> Self {
        Self::of("groq", Api::Groq, "https://api.groq.com/openai/v1", "GROQ_API_KEY")
    }

    /// `openrouter`, with the key in `OPENROUTER_API_KEY`.
    #[must_use]
    pub fn openrouter() -> Self {
        Self::of("openrouter", Api::OpenAi, "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY")
    }

    /// `mistral`, with the key in `MISTRAL_API_KEY`.
    #[must_use]
    pub fn mistral() -> Self {
        Self::of("mistral", Api::OpenAi, "https://api.mistral.ai/v1", "MISTRAL_API_KEY")
    }

    /// `deepseek`, with the key in `DEEPSEEK_API_KEY`.
    #[must_use]
    pub fn deepseek() -> Self {
        Self::of("deepseek", Api::OpenAi, "https://api.deepseek.com/v1", "DEEPSEEK_API_KEY")
    }

    /// `xai`, with the key in `XAI_API_KEY`.
    #[must_use]
    pub fn xai() -> Self {
        Self::of("xai", Api::OpenAi, "https://api.x.ai/v1", "XAI_API_KEY")
    }

    /// `ollama` on this machine, without a key.
    #[must_use]
    pub fn ollama() -> Self {
        Self::new("ollama", Api::Ollama, "http://127.0.0.1:11434")
    }

    /// Whoever speaks OpenAI's format, such as vLLM or LM Studio, without a key unless one is
    /// [named](Self::key_from_env).
    #[must_use]
    pub fn openai_compatible(name: impl Into<Text>, base_url: impl Into<String>) -> Self {
        Self::new(name, Api::OpenAi, base_url)
    }

    /// Every provider that is known by name.
    pub(crate) fn known() -> [Self; 9] {
        [
            Self::openai(),
            Self::anthropic(),
            Self::gemini(),
            Self::groq(),
            Self::openrouter(),
            Self::mistral(),
            Self::deepseek(),
            Self::xai(),
            Self::ollama(),
        ]
    }

    /// The name, which is the label of its calls and the first part of a model's name, as in `openai/gpt-4o`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it is reached, with the version of the interface but without the operation, as in
    /// `https://llm.example.com/v1`.
    #[must_use]
    pub fn base_url(mut self, base_url: impl Into<String>) -> Self {
        self.base_url = base_url.into();
        self
    }

    /// The variable of the environment that holds the key.
    #[must_use]
    pub fn key_from_env(mut self, variable: impl Into<String>) -> Self {
        self.key_variable = Some(variable.into());
        self
    }

    /// Sends a header with every call.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// How long a whole answer may take, 2 minutes by default; for a stream, how long it may take to begin.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How long it may take to connect, 10 seconds by default.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long a stream may say nothing once it has begun, 1 minute by default.
    #[must_use]
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = timeout;
        self
    }

    /// Goes through a proxy, as in `http://proxy.example.com:3128`. By default the variables `HTTPS_PROXY`, `HTTP_PROXY`
    /// and `NO_PROXY` say through which.
    #[must_use]
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.proxy = Some(url.into());
        self
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Provider")
            .field("name", &self.name)
            .field("api", &self.api)
            .field("base_url", &tta_redact::secrets(&self.base_url))
            .field("key_variable", &self.key_variable)
            .field("headers", &headers)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
