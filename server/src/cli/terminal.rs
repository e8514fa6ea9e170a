//! Output of commands: answers go to standard output, messages about them to standard error.

use std::io::{self, IsTerminal, Write};

use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table, presets};
use serde_json::json;

/// Spaces between two columns of a table.
const GAP: u16 = 2;

/// Columns are never cut below this width to fit the terminal.
const NARROWEST: usize = 8;

/// The output format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    /// For people.
    Table,
    /// One JSON document, also for errors.
    Json,
    /// One JSON object per line.
    Ndjson,
}

/// The output format, an option of every command that prints an answer.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct Format {
    /// Format of the answer, and of errors and notes on standard error
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub(super) output: Output,
}

/// Prints a message that is not part of the answer.
pub(super) fn complain(line: &str) {
    // If standard error is closed, there is nowhere to report that.
    let _ = writeln!(io::stderr(), "{line}");
}

/// Prints a message that is not part of the answer, in the output format: as text, or as `{"note":…}`.
pub(super) fn note(output: Output, text: &str) {
    match output {
        Output::Table => complain(text),
        Output::Json | Output::Ndjson => complain(&json!({ "note": text }).to_string()),
    }
}

/// Prints a line of the answer.
pub(super) fn say(line: &str) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{line}")
}

pub(super) fn is_watched() -> bool {
    io::stderr().is_terminal()
}

/// The width of the terminal, in characters; `None` in a pipe or file, where lines may have any length.
pub(super) fn width() -> Option<usize> {
    if !io::stdout().is_terminal() {
        return None;
    }
    console::Term::stdout().size_checked().map(|(_, columns)| usize::from(columns))
}

/// Prints a table with these column names.
pub(super) fn table(columns: &[&str], rows: Vec<Vec<String>>) -> io::Result<()> {
    say(&fitted(columns, rows, width()))
}

/// A table whose lines are at most `width` wide; the widest columns are cut first.
fn fitted(columns: &[&str], mut rows: Vec<Vec<String>>, width: Option<usize>) -> String {
    for cell in rows.iter_mut().flatten() {
        *cell = plain(cell);
    }
    if let Some(width) = width {
        let widths = narrowed(natural_widths(columns, &rows), width);
        for row in &mut rows {
            for (cell, width) in row.iter_mut().zip(&widths) {
                *cell = shorten(cell, *width);
            }
        }
    }
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(columns.iter().copied());
    table.add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, GAP));
    }
    table.trim_fmt()
}

fn natural_widths(columns: &[&str], rows: &[Vec<String>]) -> Vec<usize> {
    let widest = |index: usize, name: &str| {
        let cells =
            rows.iter().filter_map(|row| row.get(index)).map(|cell| console::measure_text_width(cell));
        cells.max().unwrap_or(0).max(name.len())
    };
    columns.iter().enumerate().map(|(index, name)| widest(index, name)).collect()
}

/// Narrows the widest columns until the table fits, or no column may become narrower.
fn narrowed(mut widths: Vec<usize>, total: usize) -> Vec<usize> {
    loop {
        let taken = widths.iter().sum::<usize>() + usize::from(GAP) * widths.len().saturating_sub(1);
        let Some(widest) = widths.iter_mut().max() else { return widths };
        if taken <= total || *widest <= NARROWEST {
            return widths;
        }
        *widest -= 1;
    }
}

/// Text without line breaks and control characters.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// `text` cut to `width`, with an ellipsis where it was cut.
pub(super) fn shorten(text: &str, width: usize) -> String {
    console::truncate_str(text, width, "…").into_owned()
}

/// How many of something: 1 event, 2,000 events.
pub(super) fn counted(number: u64, what: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {what}{ending}", grouped(number))
}

/// A number with thousands separators: 262,200.
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
    fn one_is_singular_and_all_other_numbers_are_plural() {
        let texts = [0, 1, 2, 1_000].map(|number| counted(number, "event"));
        assert_eq!(texts, ["0 events", "1 event", "2 events", "1,000 events"]);
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        assert_eq!(shorten("zażółć", 6), "zażółć");
        assert_eq!(shorten("zażółć gęślą", 6), "zażół…");
    }

    #[test]
    fn a_table_fits_the_terminal_and_is_whole_in_a_pipe() {
        let rows =
            || vec![vec!["1".to_owned(), "é".repeat(90)], vec!["200".to_owned(), "line\nbreak".to_owned()]];
        let whole = fitted(&["N", "PAYLOAD"], rows(), None);
        assert!(whole.contains(&"é".repeat(90)) && whole.lines().count() == 3, "{whole}");
        let cut = fitted(&["N", "PAYLOAD"], rows(), Some(40));
        let widest = cut.lines().map(console::measure_text_width).max();
        assert!(widest == Some(40) && cut.contains("é…") && cut.contains("line break"), "{cut}");
        let hopeless = fitted(&["N", "PAYLOAD"], rows(), Some(3));
        assert_eq!(hopeless.lines().count(), 3, "{hopeless}");
    }
}
