//! Every size limit of the format, in one place. Decoders check them before allocating anything.

/// Longest tenant id, in bytes.
pub const TENANT_BYTES_MAX: usize = 64;
/// Longest entity id, in bytes.
pub const ENTITY_ID_BYTES_MAX: usize = 512;
/// Longest event type, in bytes.
pub const EVENT_TYPE_BYTES_MAX: usize = 256;
/// Most tags on one event.
pub const TAGS_MAX: usize = 64;
/// Longest tag, in bytes.
pub const TAG_BYTES_MAX: usize = 256;
/// Longest payload, in bytes (8 MiB).
pub const PAYLOAD_BYTES_MAX: usize = 8 << 20;
/// Longest metadata, in bytes (64 KiB).
pub const METADATA_BYTES_MAX: usize = 64 << 10;
/// Deepest nesting of a JSON payload or of JSON metadata.
pub const JSON_DEPTH_MAX: usize = 96;
/// Longest record, header included, in bytes: an event with every field at its limit fits.
pub const RECORD_BYTES_MAX: usize = 9 << 20;
/// Longest frame, header included, in bytes (16 MiB).
pub const FRAME_BYTES_MAX: usize = 16 << 20;
/// Most events in one frame.
pub const FRAME_EVENTS_MAX: usize = 65_536;
/// Longest journal file, in bytes (1 GiB).
pub const JOURNAL_FILE_BYTES_MAX: u64 = 1 << 30;
/// Shortest journal file, in bytes (64 KiB).
pub const JOURNAL_FILE_BYTES_MIN: u64 = 64 << 10;
/// Most bytes of a run (16 MiB).
pub const RUN_BYTES_MAX: u64 = 16 << 20;
/// Longest sealed file in bytes, not counting its checksums: offsets in it have 48 bits.
pub const SEALED_FILE_BYTES_MAX: u64 = 1 << 48;
/// Most generations of a store.
pub const GENERATIONS_MAX: usize = 65_536;
/// Most incarnations in a lineage.
pub const LINEAGE_MAX: usize = 1024;
/// Longest name of a file in a manifest, in bytes.
pub const FILE_NAME_BYTES_MAX: usize = 255;
/// Most partitions of a store.
pub const PARTITIONS_MAX: u32 = 1024;
/// Earliest timestamp: 0001-01-01T00:00:00Z, in microseconds since 1970-01-01T00:00:00Z.
pub const TIMESTAMP_MIN: i64 = -62_135_596_800_000_000;
/// Latest timestamp: 9999-12-31T23:59:59.999999Z, in microseconds since 1970-01-01T00:00:00Z.
pub const TIMESTAMP_MAX: i64 = 253_402_300_799_999_999;

const _: () = assert!(
    PAYLOAD_BYTES_MAX + METADATA_BYTES_MAX + TAGS_MAX * (TAG_BYTES_MAX + 16) < RECORD_BYTES_MAX - 4096
);
const _: () = assert!(RECORD_BYTES_MAX + 4096 < FRAME_BYTES_MAX);
