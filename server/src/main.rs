//! The `allsource` binary: the server and its command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    allsource_server::cli::run()
}
