//! Sequences → a trained, calibrated model bundle.
