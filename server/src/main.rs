//! The `allsource` binary: the server and its command line.

use std::process::ExitCode;

/// Rounds are large and live long, requests are small and die soon: this allocator serves both without giving
/// pages back to the system in between.
#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    allsource_server::cli::run()
}
