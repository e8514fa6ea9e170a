//! Flaws of JSON text: its syntax is right, but common client libraries cannot read it.

use smallvec::SmallVec;

use super::names::{canonical_name, decoded_name, has_half_pair};
use super::tokens::{Shape, Token, Tokens};

/// A double holds every number with fewer characters than this and without an exponent.
const DIGITS_OF_A_DOUBLE: usize = 300;

/// Something in JSON text that many programs cannot read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// Where it is: a JSON pointer (RFC 6901) into the text.
    pub pointer: String,
    /// What is wrong, as the end of a sentence.
    pub problem: &'static str,
}

/// The findings of one walk over JSON text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaws {
    /// How deep the values are nested.
    pub depth: usize,
    /// The first flaw, if there is one.
    pub first: Option<Flaw>,
}

/// A step of the path to the current value. `Index(None)`: no value of the array has begun.
enum Step<'a> {
    Name(&'a str),
    Index(Option<usize>),
}

impl Flaws {
    /// Walks over text whose syntax was checked before.
    pub fn of(text: &str) -> Self {
        let mut found = Self { depth: 0, first: None };
        let mut path = SmallVec::<[Step<'_>; 16]>::new();
        for token in Tokens::of(text) {
            if let (Some(Step::Index(index)), true) = (path.last_mut(), begins_value(token)) {
                *index = Some(index.map_or(0, |index| index + 1));
            }
            let problem = match token {
                Token::Open(shape) => {
                    path.push(if shape == Shape::Object { Step::Name("") } else { Step::Index(None) });
                    found.depth = found.depth.max(path.len());
                    None
                }
                Token::Close => {
                    path.pop();
                    None
                }
                Token::Name(name) => {
                    if let Some(step) = path.last_mut() {
                        *step = Step::Name(name);
                    }
                    has_half_pair(name).then_some("has a name with half of a surrogate pair")
                }
                Token::String(content) => {
                    has_half_pair(content).then_some("has text with half of a surrogate pair")
                }
                Token::Number(number) => {
                    is_beyond_double(number).then_some("has a number too large for a double")
                }
                Token::Word(_) => None,
            };
            if let (Some(problem), None) = (problem, &found.first) {
                found.first = Some(Flaw { pointer: pointer_to(&path), problem });
            }
        }
        found
    }
}

fn begins_value(token: Token<'_>) -> bool {
    !matches!(token, Token::Close | Token::Name(_))
}

fn is_beyond_double(number: &str) -> bool {
    let is_short = number.len() < DIGITS_OF_A_DOUBLE && !number.contains(['e', 'E']);
    !is_short && number.parse().is_ok_and(f64::is_infinite)
}

fn pointer_to(path: &[Step<'_>]) -> String {
    let mut pointer = String::new();
    for step in path {
        pointer.push('/');
        match step {
            Step::Name(name) => {
                let name = canonical_name(name);
                pointer.push_str(&decoded_name(&name).replace('~', "~0").replace('/', "~1"));
            }
            Step::Index(index) => {
                #[expect(clippy::expect_used, reason = "a flaw lies in a value, which counted itself")]
                let index = index.expect("a step leads to a value that has begun");
                pointer.push_str(&index.to_string());
            }
        }
    }
    pointer
}
