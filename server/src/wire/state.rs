//! States of entities, current and stored. They hold JSON byte for byte, so they are written, not serialised.

use allsource_engine::event::{EventRef, Timestamp};
use allsource_engine::{Cause, Snapshot, State};

use super::outgoing::{write_fragment, write_payload, write_text};

/// What surrounds a history in its answer, in bytes.
const HISTORY_FRAME_BYTES: usize = 64;

/// The state of an entity, with the time it is as of, if one was asked for.
#[derive(Debug, Clone, Copy)]
pub struct StateReply<'a> {
    /// The entity.
    pub entity_id: &'a str,
    /// The state.
    pub state: &'a State,
    /// The time asked for.
    pub as_of: Option<Timestamp>,
    /// The events that make the state, if they were asked for.
    pub history: Option<&'a HistoryReply>,
}

impl StateReply<'_> {
    /// The JSON text.
    pub fn to_json(self) -> Vec<u8> {
        let Self { entity_id, state, as_of, history } = self;
        let mut out = b"{\"entity_id\":".to_vec();
        write_text(&mut out, entity_id);
        let as_of = as_of.map_or_else(|| "null".to_owned(), |time| format!("\"{time}\""));
        write_fragment(
            &mut out,
            format_args!(
                ",\"last_updated\":\"{}\",\"event_count\":{},\"version\":{},\"as_of\":{as_of},\"current_state\":",
                state.last_updated(),
                state.event_count(),
                state.version(),
            ),
        );
        let history_bytes = history.map_or(0, |history| history.bytes() + HISTORY_FRAME_BYTES);
        out.reserve_exact(state.json_bytes() + history_bytes + 1);
        state.write_json(&mut out);
        if let Some(HistoryReply { events, count }) = history {
            out.extend_from_slice(b",\"history\":[");
            out.extend_from_slice(events);
            write_fragment(&mut out, format_args!("],\"history_has_more\":{}", *count < state.event_count()));
        }
        out.push(b'}');
        out
    }

    /// The JSON text in the form of v0.6 servers.
    pub fn to_old_json(self) -> Vec<u8> {
        let mut out = b"{\"entity_id\":".to_vec();
        write_text(&mut out, self.entity_id);
        let end = b",\"from_projection\":\"entity_snapshots\"}";
        out.extend_from_slice(b",\"snapshot\":");
        out.reserve_exact(self.state.json_bytes() + end.len());
        self.state.write_json(&mut out);
        out.extend_from_slice(end);
        out
    }
}

/// The events that make a state, oldest first.
#[derive(Debug, Clone, Default)]
pub struct HistoryReply {
    events: Vec<u8>,
    count: u64,
}

impl HistoryReply {
    /// Adds the next event.
    pub fn add(&mut self, event: &EventRef) {
        let out = &mut self.events;
        if self.count > 0 {
            out.push(b',');
        }
        write_fragment(out, format_args!("{{\"event_id\":\"{}\",\"type\":", event.id()));
        write_text(out, event.event_type());
        write_fragment(out, format_args!(",\"timestamp\":\"{}\",", event.timestamp()));
        write_payload(out, event);
        out.push(b'}');
        self.count += 1;
    }

    /// The number of events.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The bytes that they take.
    pub fn bytes(&self) -> usize {
        self.events.len()
    }
}

/// A stored snapshot.
#[derive(Debug, Clone, Copy)]
pub struct SnapshotReply<'a>(pub &'a Snapshot);

impl SnapshotReply<'_> {
    /// The JSON text of the snapshot alone, without its state.
    pub fn to_json(self) -> Vec<u8> {
        let mut out = Vec::with_capacity(384);
        self.write_facts(&mut out, "snapshot_id");
        out.push(b'}');
        out
    }

    /// The JSON text of the snapshot alone, with its state.
    pub fn to_json_with_state(self) -> Vec<u8> {
        let mut out = Vec::with_capacity(1024);
        self.write_facts(&mut out, "snapshot_id");
        out.extend_from_slice(b",\"state\":");
        out.reserve_exact(self.0.state.json_bytes() + 1);
        self.0.state.write_json(&mut out);
        out.push(b'}');
        out
    }

    /// Writes the start of the object, with everything but the state; `id_name` is the name of the id.
    fn write_facts(self, out: &mut Vec<u8>, id_name: &str) {
        let (snapshot, state) = (self.0, &self.0.state);
        write_fragment(out, format_args!("{{\"{id_name}\":\"{}\",\"entity_id\":", snapshot.id));
        write_text(out, snapshot.entity.id().as_str());
        write_fragment(
            out,
            format_args!(
                ",\"created_at\":\"{}\",\"as_of\":\"{}\",\"event_count\":{},\"size_bytes\":{},\"snapshot_type\":\"{}\",\
                 \"version\":{}",
                snapshot.created_at,
                state.last_updated(),
                state.event_count(),
                snapshot.size_bytes(),
                type_of(snapshot.cause),
                state.version(),
            ),
        );
    }
}

/// Stored snapshots, without their states.
#[derive(Debug, Clone, Copy)]
pub struct SnapshotsReply<'a, S> {
    /// The snapshots.
    pub snapshots: &'a [S],
    /// The number of snapshots that match, including those beyond the limit.
    pub total: u64,
}

impl<S: AsRef<Snapshot>> SnapshotsReply<'_, S> {
    /// The JSON text.
    pub fn to_json(&self) -> Vec<u8> {
        let mut out = b"{\"snapshots\":[".to_vec();
        for (place, snapshot) in self.snapshots.iter().enumerate() {
            if place > 0 {
                out.push(b',');
            }
            SnapshotReply(snapshot.as_ref()).write_facts(&mut out, "id");
            out.push(b'}');
        }
        write_fragment(&mut out, format_args!("],\"total\":{}}}", self.total));
        out
    }
}

fn type_of(cause: Cause) -> &'static str {
    match cause {
        Cause::Manual => "manual",
        Cause::Automatic => "automatic",
        Cause::OnDemand => "ondemand",
    }
}
