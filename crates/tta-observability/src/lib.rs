//! tta-observability
