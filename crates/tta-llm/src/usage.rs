//! How many tokens a call had.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

/// The tokens of a call, in the classes by which providers bill them.
///
/// The classes lie within each other: what was read from the provider's cache and what was written to it are parts of the
/// input, reasoning is a part of the output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// All tokens of the request.
    pub input_tokens: u64,
    /// All tokens of the answer.
    pub output_tokens: u64,
    /// Those of the request that the provider had in its cache.
    pub cache_read_tokens: u64,
    /// Those of the request that the provider put into its cache, for however long.
    pub cache_write_tokens: u64,
    /// Those of them that it keeps for an hour and not for five minutes, where the provider tells them apart.
    pub cache_write_1h_tokens: u64,
    /// Those of the answer that the model thought and did not say.
    pub reasoning_tokens: u64,
    /// Whether any of these numbers was counted here and not by the provider.
    pub estimated: bool,
}

impl Usage {
    /// Tokens that were counted here, because the provider told of none.
    #[must_use]
    pub fn estimated(input_tokens: u64, output_tokens: u64) -> Self {
        Self { input_tokens, output_tokens, estimated: true, ..Self::default() }
    }

    /// All tokens of the request and of the answer.
    #[must_use]
    pub fn total_tokens(&self) -> u64 {
        self.input_tokens.saturating_add(self.output_tokens)
    }
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        let sums = [
            (&mut self.input_tokens, other.input_tokens),
            (&mut self.output_tokens, other.output_tokens),
            (&mut self.cache_read_tokens, other.cache_read_tokens),
            (&mut self.cache_write_tokens, other.cache_write_tokens),
            (&mut self.cache_write_1h_tokens, other.cache_write_1h_tokens),
            (&mut self.reasoning_tokens, other.reasoning_tokens),
        ];
        sums.into_iter().for_each(|(sum, more)| *sum = sum.saturating_add(more));
        self.estimated = self.estimated || other.estimated;
    }
}
