//! JSON text, walked token by token and never parsed into values: what an event carries is kept byte for byte.

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
