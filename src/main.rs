//! The binary: everything is in the library.

use std::process::ExitCode;

/// Gives memory back to the system soon, and does so on many threads.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    knothole::cli::run()
}
