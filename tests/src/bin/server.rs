//! The `allsource` program, built beside the tests so that they can start and kill it.

use std::process::ExitCode;

fn main() -> ExitCode {
    allsource_server::cli::run()
}
