//! Composes the stages: one shard, many streams, plain calls.
