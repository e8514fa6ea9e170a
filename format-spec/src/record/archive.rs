//! The archived form: its fields, and a compile-time check that they lie where the specification says.

use core::mem::{align_of, offset_of, size_of};

use rkyv::with::{InlineAsBox, Map};
use rkyv::{Archive, Serialize};

/// Bits of a record's flags. All others must be zero.
pub mod flags {
    /// The payload is JSON text; otherwise it is opaque bytes.
    pub const JSON: u32 = 1;
    /// The client gave the timestamp; otherwise the writer's clock did.
    pub const TIMESTAMP_GIVEN: u32 = 2;
    /// Every defined bit.
    pub const ALL: u32 = JSON | TIMESTAMP_GIVEN;
}

/// The fields that a writer passes to rkyv: only integers, byte slices and lists of them, whose archived form is the same
/// in every build.
#[derive(Archive, Serialize)]
#[rkyv(archived = ArchivedFields)]
pub(super) struct Fields<'a> {
    pub(super) id: [u8; 16],
    pub(super) position: u64,
    pub(super) version: u64,
    pub(super) recorded_at: i64,
    pub(super) timestamp: i64,
    pub(super) flags: u32,
    #[rkyv(with = InlineAsBox)]
    pub(super) tenant: &'a [u8],
    #[rkyv(with = InlineAsBox)]
    pub(super) entity_id: &'a [u8],
    #[rkyv(with = InlineAsBox)]
    pub(super) event_type: &'a [u8],
    #[rkyv(with = InlineAsBox)]
    pub(super) payload: &'a [u8],
    #[rkyv(with = InlineAsBox)]
    pub(super) metadata: &'a [u8],
    #[rkyv(with = Map<InlineAsBox>)]
    pub(super) tags: Vec<&'a [u8]>,
    pub(super) reserved: u32,
}

/// Size of the archive's root, which ends the record.
pub const ARCHIVE_ROOT_BYTES: usize = 104;

pub(super) const ID: usize = 0;
pub(super) const POSITION: usize = 16;
pub(super) const VERSION: usize = 24;
pub(super) const RECORDED_AT: usize = 32;
pub(super) const TIMESTAMP: usize = 40;
pub(super) const FLAGS: usize = 48;
pub(super) const TENANT: usize = 52;
pub(super) const ENTITY_ID: usize = 60;
pub(super) const EVENT_TYPE: usize = 68;
pub(super) const PAYLOAD: usize = 76;
pub(super) const METADATA: usize = 84;
pub(super) const TAGS: usize = 92;
pub(super) const RESERVED: usize = 100;

// Cargo unifies features over a whole build: another crate could switch rkyv's byte order or pointer width.
// These asserts fail the build if the layout moves.
const _: () = {
    assert!(size_of::<ArchivedFields<'_>>() == ARCHIVE_ROOT_BYTES);
    assert!(align_of::<ArchivedFields<'_>>() == 8);
    assert!(offset_of!(ArchivedFields<'_>, id) == ID);
    assert!(offset_of!(ArchivedFields<'_>, position) == POSITION);
    assert!(offset_of!(ArchivedFields<'_>, version) == VERSION);
    assert!(offset_of!(ArchivedFields<'_>, recorded_at) == RECORDED_AT);
    assert!(offset_of!(ArchivedFields<'_>, timestamp) == TIMESTAMP);
    assert!(offset_of!(ArchivedFields<'_>, flags) == FLAGS);
    assert!(offset_of!(ArchivedFields<'_>, tenant) == TENANT);
    assert!(offset_of!(ArchivedFields<'_>, entity_id) == ENTITY_ID);
    assert!(offset_of!(ArchivedFields<'_>, event_type) == EVENT_TYPE);
    assert!(offset_of!(ArchivedFields<'_>, payload) == PAYLOAD);
    assert!(offset_of!(ArchivedFields<'_>, metadata) == METADATA);
    assert!(offset_of!(ArchivedFields<'_>, tags) == TAGS);
    assert!(offset_of!(ArchivedFields<'_>, reserved) == RESERVED);
    assert!(size_of::<rkyv::Archived<u64>>() == 8 && size_of::<rkyv::Archived<usize>>() == 4);
    assert!(rkyv::rend::u32_le::from_native(1).to_native() == 1);
};
const _: fn(rkyv::Archived<u64>) -> rkyv::rend::u64_le = |x| x;
