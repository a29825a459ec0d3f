//! The state folder: snapshots, model bundles, the instance id.
