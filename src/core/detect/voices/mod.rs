//! The views of what is normal, one module each.
