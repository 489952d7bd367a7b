//! The models that a program can call.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tta_model::Text;

use crate::backend::Backend;
use crate::capture::Capture;
use crate::local::{self, Local};
use crate::model::Llm;
use crate::play;
use crate::price::{PriceError, PriceTable};
use crate::provider::Provider;
use crate::remote::{Remote, Unreachable};

/// The models that a program can call, by names such as `openai/gpt-4o-mini`.
///
/// Cloning it shares connections.
///
/// ```no_run
/// use tta_llm::{Models, Provider};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let models = Models::from_env()?;
/// let small = models.model("anthropic/claude-3-5-haiku-latest")?;
/// let own = Models::builder().provider(Provider::openai_compatible("vllm", "http://127.0.0.1:8000/v1")).build();
/// let llama = own.model("vllm/meta-llama/Llama-3.1-8B-Instruct")?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Models {
    shared: Arc<Shared>,
}

struct Shared {
    providers: BTreeMap<Text, Provider>,
    /// The providers that were called for, with their connections.
    remotes: Mutex<BTreeMap<Text, Remote>>,
    prices: PriceTable,
    capture: Capture,
    local: Local,
}

impl Models {
    /// Every known provider, as the environment says: `OPENAI_BASE_URL`, `ANTHROPIC_BASE_URL`, `GEMINI_BASE_URL`,
    /// `GROQ_BASE_URL`, `OPENROUTER_BASE_URL`, `MISTRAL_BASE_URL`, `DEEPSEEK_BASE_URL`, `XAI_BASE_URL` and
    /// `OLLAMA_BASE_URL` say where it is, `TTA_LLM_PRICES` names a file of prices, and
    /// `OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT` says whether content is [captured](Capture). Keys are
    /// looked up at each call.
    ///
    /// # Errors
    /// What is wrong with the file of prices.
    pub fn from_env() -> Result<Self, PriceError> {
        let mut builder = Self::builder().capture(Capture::from_env()).prices(PriceTable::from_env()?);
        for mut provider in Provider::known() {
            let variable = format!("{}_BASE_URL", provider.name().to_uppercase());
            if let Some(url) = std::env::var(variable).ok().filter(|url| !url.is_empty()) {
                provider = provider.base_url(url);
            }
            builder = builder.provider(provider);
        }
        Ok(builder.build())
    }

    /// Only the offline model `local/textrank`, which needs no key and no network, and answers the same every time.
    #[must_use]
    pub fn offline() -> Self {
        let mut builder = Self::builder();
        builder.providers.clear();
        builder.build()
    }

    /// Begins with every known provider, whatever the environment says.
    pub fn builder() -> ModelsBuilder {
        let known = Provider::known().map(|provider| (provider.name.clone(), provider));
        ModelsBuilder {
            providers: known.into_iter().collect(),
            prices: PriceTable::builtin().clone(),
            capture: Capture::off(),
            local: Local::default(),
        }
    }

    /// A model by its provider and its name, as in `openai/gpt-4o-mini` or `local/textrank`. Nothing is sent.
    ///
    /// # Errors
    /// If the name has no provider, or one that is not known or not set up as it should be.
    pub fn model(&self, name: &str) -> Result<Llm, ModelError> {
        let parts =
            name.trim().split_once('/').filter(|(provider, model)| !provider.is_empty() && !model.is_empty());
        let Some((provider, model)) = parts else {
            return Err(ModelError::NoProvider { name: name.to_owned(), known: self.known() });
        };
        let backend = match provider {
            local::PROVIDER => {
                let unknown = |known| ModelError::UnknownLocal { model: name.trim().to_owned(), known };
                play::check(name.trim()).map_err(unknown)?;
                Backend::Local(self.shared.local)
            }
            provider => Backend::Remote(self.remote(provider)?),
        };
        let price = self.shared.prices.find(provider, model).cloned();
        Ok(Llm::new(backend, model.to_owned().into(), price, self.shared.capture))
    }

    /// The prices by which calls are billed.
    #[must_use]
    pub fn prices(&self) -> &PriceTable {
        &self.shared.prices
    }

    fn remote(&self, name: &str) -> Result<Remote, ModelError> {
        let mut remotes = self.shared.remotes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(remote) = remotes.get(name) {
            return Ok(remote.clone());
        }
        let Some(provider) = self.shared.providers.get(name) else {
            return Err(ModelError::UnknownProvider { provider: name.to_owned(), known: self.known() });
        };
        let remote = Remote::new(provider.clone())?;
        remotes.insert(provider.name.clone(), remote.clone());
        Ok(remote)
    }

    fn known(&self) -> String {
        let names = self.shared.providers.keys().map(Text::as_str);
        names.chain([local::PROVIDER]).collect::<Vec<_>>().join(", ")
    }
}

/// Models that are being set up.
#[must_use = "finish with `build`"]
pub struct ModelsBuilder {
    providers: BTreeMap<Text, Provider>,
    prices: PriceTable,
    capture: Capture,
    local: Local,
}

impl ModelsBuilder {
    /// Adds a provider, or takes the place of one with the same name.
    pub fn provider(mut self, provider: Provider) -> Self {
        self.providers.insert(provider.name.clone(), provider);
        self
    }

    /// Bills by another table.
    pub fn prices(mut self, prices: PriceTable) -> Self {
        self.prices = prices;
        self
    }

    /// Says whether prompts and answers are put on spans.
    pub fn capture(mut self, capture: Capture) -> Self {
        self.capture = capture;
        self
    }

    /// Says how the offline model answers.
    pub fn local(mut self, local: Local) -> Self {
        self.local = local;
        self
    }

    /// Makes the models.
    #[must_use]
    pub fn build(self) -> Models {
        let Self { providers, prices, capture, local } = self;
        Models { shared: Arc::new(Shared { providers, remotes: Mutex::default(), prices, capture, local }) }
    }
}

/// Why there is no such model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// The name does not say whose model it is.
    #[error(
        "`{name}` does not say whose model it is; write provider/model, with one of the providers {known}"
    )]
    NoProvider {
        /// The name.
        name: String,
        /// The providers that there are.
        known: String,
    },
    /// There is no provider of this name.
    #[error(
        "there is no provider `{provider}`; there are {known}; add it with `Models::builder().provider(..)`"
    )]
    UnknownProvider {
        /// The name.
        provider: String,
        /// The providers that there are.
        known: String,
    },
    /// There is no offline model of this name.
    #[error("there is no offline model `{model}`; there is {known}")]
    UnknownLocal {
        /// The name.
        model: String,
        /// The one that there is.
        known: &'static str,
    },
    /// The provider is not set up as it should be.
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
}

impl fmt::Debug for Models {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Models")
            .field("providers", &self.shared.providers.keys())
            .field("capture", &self.shared.capture)
            .finish_non_exhaustive()
    }
}
