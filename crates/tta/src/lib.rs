//! tta
