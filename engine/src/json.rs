//! JSON text as the store looks at it: walked once, never built. What an event carries is kept byte for byte, so no
//! value is ever turned into a number or a text of this program's.

mod tokens;
mod names;
mod flaws;
mod canonical;

pub use canonical::{canonical, is_same_value};
pub use flaws::{Flaw, Flaws};
pub use names::member;

pub(crate) use names::{canonical_name, decoded_name};

#[cfg(test)]
mod tests;
