//! Names that callers choose. They are checked once, on the way in.

use std::fmt;

use allsource_format::limits;

/// A name breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} {problem}")]
pub struct NameError {
    /// Which name: `entity_id`, `event_type`, `tenant_id` or `tag`.
    pub field: &'static str,
    /// What is wrong with it, as the end of a sentence.
    pub problem: String,
}

/// Printable text of 1 to `most` bytes, without surrounding space.
fn check_text(field: &'static str, text: &str, most: usize) -> Result<(), NameError> {
    let problem = if text.is_empty() {
        "must not be empty".to_owned()
    } else if text.len() > most {
        format!("must be at most {most} bytes, this one has {}", text.len())
    } else if text.chars().any(char::is_control) {
        "must not contain control characters".to_owned()
    } else if text.trim() != text {
        "must not begin or end with white space".to_owned()
    } else {
        return Ok(());
    };
    Err(NameError { field, problem })
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// Checks and takes a name.
            ///
            /// # Errors
            /// When the name breaks a rule; the error says which.
            pub fn new(text: impl Into<Box<str>>) -> Result<Self, NameError> {
                let text = text.into();
                let check: fn(&str) -> Result<(), NameError> = $check;
                check(&text).map(|()| Self(text))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

name! {
    /// The owner of events: 1 to 64 of `A-Z a-z 0-9 _ -`.
    TenantId, |text| {
        check_text("tenant_id", text, limits::TENANT_BYTES_MAX)?;
        match text.chars().find(|c| !(c.is_ascii_alphanumeric() || *c == '_' || *c == '-')) {
            None => Ok(()),
            Some(c) => Err(NameError {
                field: "tenant_id",
                problem: format!("may contain only A-Z a-z 0-9 _ -, this one contains {c:?}"),
            }),
        }
    }
}
name! {
    /// The id of an entity within its tenant: 1 to 512 bytes of printable text.
    EntityId, |text| check_text("entity_id", text, limits::ENTITY_ID_BYTES_MAX)
}
name! {
    /// The type of an event: 1 to 256 bytes of printable text, by convention dotted and in the past tense.
    EventType, |text| check_text("event_type", text, limits::EVENT_TYPE_BYTES_MAX)
}
name! {
    /// A label by which events are found: 1 to 256 bytes of printable text.
    Tag, |text| check_text("tag", text, limits::TAG_BYTES_MAX)
}

impl TenantId {
    /// The name as a stored event has it.
    pub(crate) fn stored(text: &str) -> Self {
        Self(text.into())
    }
}

impl EntityId {
    /// The name as a stored event has it.
    pub(crate) fn stored(text: &str) -> Self {
        Self(text.into())
    }
}

impl Default for TenantId {
    /// The tenant of stores that have only one: `default`.
    fn default() -> Self {
        Self("default".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_break_a_rule_are_refused_with_the_rule() {
        let check = |text: &str, expected: &str| {
            assert_eq!(EntityId::new(text).unwrap_err().to_string(), expected);
        };
        check("", "entity_id must not be empty");
        check(" a", "entity_id must not begin or end with white space");
        check("a\nb", "entity_id must not contain control characters");
        check(&"x".repeat(513), "entity_id must be at most 512 bytes, this one has 513");
        assert!(TenantId::new("a.b").unwrap_err().to_string().contains("contains '.'"));
        assert!(TenantId::new("x".repeat(65)).is_err());
    }

    #[test]
    fn upper_case_hyphens_and_other_scripts_are_names() {
        for text in ["User-1", "заказ-7", "a b", "_x"] {
            assert_eq!(EntityId::new(text).unwrap().as_str(), text);
        }
    }
}
