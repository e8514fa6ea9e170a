//! Mistakes on the command line, in the output format that the same command line asks for.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::ValueEnum as _;

use super::failure::Failure;
use super::terminal::Output;

/// Prints what is wrong with the command line, or the help or version that it asks for.
pub(super) fn refuse(error: &clap::Error) -> ExitCode {
    let output = requested(std::env::args_os().skip(1));
    if output == Output::Table || !error.use_stderr() {
        error.exit();
    }
    failure(&error.render().to_string()).report(output)
}

/// The output format on a command line that cannot be parsed as a whole.
fn requested(arguments: impl Iterator<Item = OsString>) -> Output {
    let (mut output, mut is_value) = (Output::Table, false);
    for argument in arguments {
        let argument = argument.to_string_lossy();
        let value = if is_value { Some(&*argument) } else { argument.strip_prefix("--output=") };
        if let Some(Ok(given)) = value.map(|value| Output::from_str(value, false)) {
            output = given;
        }
        is_value = !is_value && argument == "--output";
    }
    output
}

/// The text of the parser: its first paragraph says what is wrong, the others what to do about it.
fn failure(text: &str) -> Failure {
    let text = text.trim().trim_start_matches("error: ");
    match text.split_once("\n\n") {
        Some((problem, advice)) => Failure::usage(problem).advise(advice),
        None => Failure::usage(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_output_format_is_found_on_a_command_line_that_is_wrong_elsewhere() {
        let of = |arguments: &[&str]| requested(arguments.iter().map(OsString::from));
        assert_eq!(of(&["get", "nope", "--output", "json"]), Output::Json);
        assert_eq!(of(&["--output=ndjson", "get"]), Output::Ndjson);
        assert_eq!(of(&["get", "nope"]), Output::Table);
        assert_eq!(of(&["get", "--output", "xml"]), Output::Table);
        assert_eq!(of(&["get", "--output"]), Output::Table);
    }
}
