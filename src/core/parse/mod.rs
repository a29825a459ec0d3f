//! Log text → template and parameters.
