//! tta
#[cfg(feature = "observability")]
pub use tta_observability::*;
pub use tta_primitives::*;
