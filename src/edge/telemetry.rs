//! What knothole says about itself: metrics, logs, traces.
