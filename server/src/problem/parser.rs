//! What the JSON parser says, in terms of JSON rather than of Rust.

/// Words of the parser, and what people call the same. The longer ones come first.
const WORDS: [(&str, &str); 11] = [
    ("EOF while parsing a value", "the text ends where a value is expected"),
    ("EOF while parsing", "the text ends within"),
    ("invalid type: map, ", "an object, "),
    ("invalid type: sequence, ", "a list, "),
    ("invalid type: ", ""),
    ("invalid value: ", ""),
    ("integer `", "number `"),
    ("floating point `", "number `"),
    (", expected u64", ", expected a whole number from 0"),
    (", expected a sequence", ", expected a list"),
    (", expected a map", ", expected an object"),
];

/// The parser's message in plain words, with line and column if it names them.
pub fn plain(message: &str) -> String {
    WORDS.iter().fold(message.to_owned(), |text, (word, plain)| text.replace(word, plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parsers_words_become_those_of_json() {
        let said = |error: serde_json::Error| plain(&error.to_string());
        let check = |text: &str, expected: &str| {
            assert_eq!(said(serde_json::from_str::<serde_json::Value>(text).unwrap_err()), expected);
        };
        check("", "the text ends where a value is expected at line 1 column 0");
        check("{\"x\":1", "the text ends within an object at line 1 column 6");
        check("[", "the text ends within a list at line 1 column 1");
        let list = said(serde_json::from_str::<Vec<u64>>("{}").unwrap_err());
        assert_eq!(list, "an object, expected a list at line 1 column 0");
        let number = said(serde_json::from_str::<u64>("1.5").unwrap_err());
        assert_eq!(number, "number `1.5`, expected a whole number from 0 at line 1 column 3");
    }
}
