//! What a command prints: answers to standard output, everything about them to standard error.

use std::io::{self, IsTerminal, Write};

use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table, presets};

/// How answers are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    /// For people.
    Table,
    /// One JSON document.
    Json,
    /// One JSON object a line.
    Ndjson,
}

/// How the answer is printed, an option of every command that has one.
#[derive(Debug, clap::Args)]
pub(super) struct Format {
    /// How to print the answer
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub(super) output: Output,
}

/// Prints a line about the answer, which is not part of it.
pub(super) fn complain(line: &str) {
    // Nobody is left to tell when standard error is closed.
    let _ = writeln!(io::stderr(), "{line}");
}

/// Prints a line of the answer.
pub(super) fn say(line: &str) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{line}")
}

pub(super) fn is_watched() -> bool {
    io::stderr().is_terminal()
}

/// A table with these column names, as wide as the terminal.
pub(super) fn table(columns: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(columns.iter().copied());
    table
}

/// The first `width` characters of `text`, with a mark where something was cut off.
pub(super) fn shorten(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

/// A number with its thousands apart: 262,200.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_thousands_apart() {
        let texts: Vec<_> = [0, 999, 1_000, 262_200, 1_234_567].into_iter().map(grouped).collect();
        assert_eq!(texts, ["0", "999", "1,000", "262,200", "1,234,567"]);
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        assert_eq!(shorten("zażółć", 6), "zażółć");
        assert_eq!(shorten("zażółć gęślą", 6), "zażół…");
    }
}
