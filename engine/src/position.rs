//! The three ways an event is numbered. Each starts at 1 and has no gaps.

use std::fmt;
use std::num::NonZeroU64;

macro_rules! numbering {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(NonZeroU64);

        impl $name {
            /// The first: 1.
            pub const FIRST: Self = Self(NonZeroU64::MIN);

            /// `None` for 0.
            pub const fn new(number: u64) -> Option<Self> {
                match NonZeroU64::new(number) {
                    Some(number) => Some(Self(number)),
                    None => None,
                }
            }

            /// The number itself.
            pub const fn value(self) -> u64 {
                self.0.get()
            }

            /// The one that comes right after. The highest number, which no event ever gets, stays as it is.
            #[must_use]
            pub const fn next(self) -> Self {
                Self(self.0.saturating_add(1))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

numbering! {
    /// Place of an event in the log of the whole store.
    Position
}
numbering! {
    /// Place of an event in the history of its entity.
    Version
}
numbering! {
    /// Place of an event in its partition.
    Sequence
}
