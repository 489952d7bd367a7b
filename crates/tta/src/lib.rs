//! tta
pub use tta_primitives::*;
#[cfg(feature = "observability")]
pub use tta_observability::*;
