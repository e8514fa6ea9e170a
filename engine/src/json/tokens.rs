//! The tokens of JSON text whose syntax was checked before. Other text gives meaningless tokens, but never a panic.

/// The two kinds of values that hold others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Object,
    Array,
}

/// A token. Names and strings come without their quotes; their escapes are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'a> {
    Open(Shape),
    Close,
    /// The name of a member.
    Name(&'a str),
    String(&'a str),
    Number(&'a str),
    /// `true`, `false` or `null`.
    Word(&'a str),
}

/// The tokens of a text, in order.
pub(super) struct Tokens<'a> {
    text: &'a str,
    /// Where the last token began.
    start: usize,
    /// Where it ended.
    at: usize,
    open: Vec<Shape>,
    /// The next string is the name of a member.
    is_name: bool,
}

impl<'a> Tokens<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        Self { text, start: 0, at: 0, open: Vec::new(), is_name: false }
    }

    /// Offset of the byte after the last token.
    pub(super) fn offset(&self) -> usize {
        self.at
    }

    /// The text of the value that begins with this token, read to its end.
    pub(super) fn value(&mut self, first: Token<'a>) -> &'a str {
        match first {
            Token::Open(_) => {
                let (start, depth) = (self.start, self.open.len());
                assert!(depth > 0, "a value that was opened is open");
                while self.open.len() >= depth && self.next().is_some() {}
                self.piece(start, self.at)
            }
            // With the quotes around it.
            Token::String(_) => self.piece(self.start, self.at),
            Token::Number(content) | Token::Word(content) => content,
            Token::Name(_) | Token::Close => "",
        }
    }

    /// A piece of the text.
    fn piece(&self, start: usize, end: usize) -> &'a str {
        #[expect(
            clippy::expect_used,
            reason = "a piece begins and ends beside an ASCII byte or at an end of the text"
        )]
        self.text.get(start..end).expect("a token begins and ends between characters")
    }

    /// The string after an opening quote, read past the closing one.
    fn string(&mut self) -> &'a str {
        let start = self.at;
        let bytes = self.text.as_bytes();
        while let Some(byte) = bytes.get(self.at) {
            match byte {
                b'"' => break,
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
        // Text that ends inside a string, or after a backslash, was not checked.
        let end = self.at.min(bytes.len());
        self.at = (end + 1).min(bytes.len());
        self.piece(start, end)
    }

    /// A number or a word, of which the first byte was read.
    fn bare(&mut self) -> &'a str {
        let is_inside = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
        let (_, rest) = self.text.as_bytes().split_at(self.at);
        self.at += rest.iter().take_while(|byte| is_inside(byte)).count();
        self.piece(self.start, self.at)
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            let byte = *self.text.as_bytes().get(self.at)?;
            self.start = self.at;
            self.at += 1;
            match byte {
                b'{' | b'[' => {
                    let shape = if byte == b'{' { Shape::Object } else { Shape::Array };
                    self.open.push(shape);
                    self.is_name = shape == Shape::Object;
                    return Some(Token::Open(shape));
                }
                b'}' | b']' => {
                    self.open.pop();
                    self.is_name = false;
                    return Some(Token::Close);
                }
                b',' => self.is_name = self.open.last() == Some(&Shape::Object),
                b'"' if std::mem::take(&mut self.is_name) => return Some(Token::Name(self.string())),
                b'"' => return Some(Token::String(self.string())),
                b'-' | b'0'..=b'9' => return Some(Token::Number(self.bare())),
                b't' | b'f' | b'n' => return Some(Token::Word(self.bare())),
                _ => {}
            }
        }
    }
}
