//! A healthy case, and ways to spoil it.
