//! Requests and answers as JSON text; payloads pass through byte for byte.

mod incoming;
mod outgoing;
mod reply;
mod health;
mod state;
mod page;

pub use health::{HealthReply, LiveReply, ReadyReply};
pub(crate) use incoming::parse_object;
pub use incoming::{
    BATCH_FIELDS, BatchBody, EVENT_FIELDS, EventBody, LINE_BYTES_MAX, RawEvents, batch_working_bytes,
    parse_batch, parse_event, working_bytes,
};
pub use outgoing::{
    event_bytes_max, write_commit, write_event, write_event_line, write_found_event, write_keyed_event,
    write_source_line, write_text,
};
pub use page::{EVENTS_HEAD, KeyedEnd, PageCursor, PageEnd, end_events, question};
pub use reply::{
    Imported, LineageSpan, RefusedLine, SealedReply, StartRow, StartsReply, StatsReply, to_json,
};
pub use state::{HistoryReply, SnapshotReply, SnapshotsReply, StateReply};
