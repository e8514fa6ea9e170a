//! Entries of tables: structures of little-endian numbers without padding.

use crate::error::FormatError;

/// Declares an entry: its fields in the order of their bytes, its reserved bytes if it ends with any, and a further check
/// if there is one. The compiler verifies the layout.
macro_rules! entry {
    (
        $(#[$doc:meta])* $name:ident, $size:expr $(, reserved $reserved:literal)? $(, check $check:path)? ;
        $($(#[$field_doc:meta])* $field:ident: $kind:ident,)+
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $kind,)+
        }

        const _: () = {
            #[derive(zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable, zerocopy::Unaligned)]
            #[repr(C)]
            struct Layout {
                $($field: $crate::entry::number!($kind),)+
                $(reserved: [u8; $reserved],)?
            }

            impl $name {
                /// The entry's bytes.
                pub fn encode(&self) -> [u8; $size] {
                    zerocopy::transmute!(Layout {
                        $($field: self.$field.into(),)+
                        $(reserved: [0; $reserved],)?
                    })
                }

                /// Decodes an entry.
                ///
                /// # Errors
                /// If it is cut short, its reserved bytes are set, or a number is out of range.
                pub fn decode(bytes: &[u8]) -> Result<Self, $crate::error::FormatError> {
                    let layout: Layout = $crate::entry::read(bytes)?;
                    $(let zero: [u8; $reserved] = layout.reserved;
                    $crate::bytes::all_zero(&zero, concat!("reserved bytes of ", stringify!($name)))?;)?
                    let entry = Self { $($field: layout.$field.into(),)+ };
                    $($check(&entry)?;)?
                    Ok(entry)
                }
            }
        };
    };
}

/// The little-endian form of a number.
macro_rules! number {
    (u32) => {
        zerocopy::little_endian::U32
    };
    (u64) => {
        zerocopy::little_endian::U64
    };
    (i64) => {
        zerocopy::little_endian::I64
    };
}

pub(crate) use {entry, number};

/// The structure at the start of `bytes`.
pub(crate) fn read<T: zerocopy::FromBytes>(bytes: &[u8]) -> Result<T, FormatError> {
    let short = FormatError::Short { need: size_of::<T>(), have: bytes.len() };
    T::read_from_prefix(bytes).map(|(entry, _)| entry).map_err(|_| short)
}
