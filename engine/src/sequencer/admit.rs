//! Deciding one append: all of it is admitted to the round, or none of it leaves a trace.

use allsource_format::frame::Kind;
use allsource_format::record::Record;
use uuid::Uuid;

use super::flight::{Flight, Noted, Notes};
use crate::append::{Answer, PreparedEvent, PreparedPart, Reply, Request};
use crate::batch::{Acknowledged, Commit, Committed, ExpectedVersion};
use crate::error::AppendError;
use crate::event::{EntityKeyBuffer, Timestamp};
use crate::journal::RoundBuilder;
use crate::planted::{self, Bug};
use crate::position::{Position, Sequence, Version};
use crate::tail::Tail;

/// The round being filled and everything a decision depends on.
pub(super) struct Admission<'a> {
    pub(super) round: &'a mut RoundBuilder,
    pub(super) notes: Notes,
    pub(super) records: Vec<u32>,
    pub(super) flight: &'a Flight,
    pub(super) tail: &'a Tail,
    pub(super) partitions: u32,
    pub(super) sequences: &'a mut Vec<u64>,
    pub(super) last_recorded_at: &'a mut i64,
    pub(super) now: i64,
}

/// How to take back what a refused append has done so far.
#[derive(Default)]
struct Undo {
    heads: Vec<(EntityKeyBuffer, Option<u64>)>,
    ids: Vec<u64>,
    partitions: Vec<u32>,
    records: usize,
    last_recorded_at: i64,
}

impl Admission<'_> {
    /// Decides one request.
    pub(super) fn decide(&mut self, request: Request) -> (Reply, Answer) {
        let mut undo =
            Undo { records: self.records.len(), last_recorded_at: *self.last_recorded_at, ..Undo::default() };
        self.round.open_frame();
        let answer = self.admit_parts(&request, &mut undo);
        match &answer {
            Ok(_) if self.records.len() > undo.records => self.round.close_frame(Kind::Append),
            Ok(_) => self.round.abandon_frame(),
            Err(_) => {
                self.round.abandon_frame();
                self.take_back(undo);
            }
        }
        (request.reply, answer)
    }

    fn admit_parts(&mut self, request: &Request, undo: &mut Undo) -> Answer {
        let count = request.parts.iter().map(|part| part.events.len()).sum();
        let mut events = Vec::with_capacity(count);
        for part in &request.parts {
            self.admit_part(part, &request.bytes, &mut events, undo)?;
        }
        Ok(Commit { events, acknowledged: Acknowledged::Synced })
    }

    fn admit_part(
        &mut self,
        part: &PreparedPart,
        bytes: &[u8],
        events: &mut Vec<Committed>,
        undo: &mut Undo,
    ) -> Result<(), AppendError> {
        let before = self.head(&part.key);
        let mut head = before.unwrap_or(0);
        let mut is_checked = false;
        for event in &part.events {
            let encoded = bytes.get(event.record.clone()).unwrap_or(&[]);
            if let Some(existing) = self.find_existing(part, event, encoded)? {
                events.push(existing);
                continue;
            }
            if !is_checked {
                self.check_version(part, before, undo)?;
                is_checked = true;
            }
            head += 1;
            events.push(self.place(part, event, encoded, head, undo));
        }
        if head > before.unwrap_or(0) {
            let previous = self.notes.heads.insert(part.key.clone(), head);
            undo.heads.push((part.key.clone(), previous));
        }
        Ok(())
    }

    /// The version of an entity, appends in flight and earlier ones of this round included.
    fn head(&self, key: &[u8]) -> Option<u64> {
        self.notes.heads.get(key).copied().or_else(|| self.head_before_round(key))
    }

    fn head_before_round(&self, key: &[u8]) -> Option<u64> {
        let in_flight = if planted::is(Bug::ForgetFlight) { None } else { self.flight.head(key) };
        in_flight.or_else(|| self.tail.head(key))
    }

    /// The same event from an earlier append, if its id is known.
    fn find_existing(
        &self,
        part: &PreparedPart,
        event: &PreparedEvent,
        encoded: &[u8],
    ) -> Result<Option<Committed>, AppendError> {
        if !event.is_id_given || planted::is(Bug::ForgetIds) {
            return Ok(None);
        }
        let (tenant, id) = (part.entity.tenant().as_str(), event.id.as_bytes());
        let noted = self.notes.find(self.round.bytes(), event.id_hash, tenant, id);
        if let Some((record, sequence)) = noted.or_else(|| self.flight.find(event.id_hash, tenant, id)) {
            return compare(&record, encoded, event.id, sequence).map(Some);
        }
        let Some(stored) = self.tail.find_id(tenant, id) else { return Ok(None) };
        let partition = stored.partition(self.partitions);
        let sequence = self.tail.sequence_through(partition, stored.position().value() + 1);
        compare(&stored.record(), encoded, event.id, sequence).map(Some)
    }

    /// Checks what the caller expects against the version that the batch's own earlier parts lead to. What a
    /// refusal names is the version without them: they are not going to be.
    fn check_version(&self, part: &PreparedPart, head: Option<u64>, undo: &Undo) -> Result<(), AppendError> {
        if part.expected == ExpectedVersion::Any || part.expected.admits(head.and_then(Version::new)) {
            return Ok(());
        }
        let changed = undo.heads.iter().find(|(key, _)| *key == part.key);
        let actual =
            changed.map_or(head, |(_, previous)| previous.or_else(|| self.head_before_round(&part.key)));
        let actual = actual.and_then(Version::new);
        Err(AppendError::Conflict { entity: part.entity.clone(), expected: part.expected, actual })
    }

    /// Gives an event its place.
    fn place(
        &mut self,
        part: &PreparedPart,
        event: &PreparedEvent,
        encoded: &[u8],
        version: u64,
        undo: &mut Undo,
    ) -> Committed {
        let recorded_at = self.now.max(*self.last_recorded_at + 1);
        *self.last_recorded_at = recorded_at;
        let offset = self.round.push(encoded, event.crc_so_far, version, recorded_at);
        self.records.push(offset);
        let sequence = self.sequences.get_mut(part.partition as usize).map_or(0, |count| {
            *count += 1;
            *count
        });
        undo.partitions.push(part.partition);
        if event.is_id_given {
            self.notes.ids.entry(event.id_hash).or_default().push(Noted { offset, sequence });
            undo.ids.push(event.id_hash);
        }
        #[expect(clippy::expect_used, reason = "it was pushed on the lines above")]
        let record =
            Record::at(self.round.bytes().get(offset as usize..).unwrap_or(&[])).expect("a placed record");
        committed(&record, event.id, sequence, false)
    }

    fn take_back(&mut self, undo: Undo) {
        self.records.truncate(undo.records);
        *self.last_recorded_at = undo.last_recorded_at;
        for partition in undo.partitions {
            if let Some(count) = self.sequences.get_mut(partition as usize) {
                *count -= 1;
            }
        }
        for hash in undo.ids {
            self.notes.ids.get_mut(&hash).and_then(|noted| noted.pop());
        }
        if planted::is(Bug::KeepRefusedHeads) {
            return;
        }
        for (key, previous) in undo.heads.into_iter().rev() {
            match previous {
                Some(version) => self.notes.heads.insert(key, version),
                None => self.notes.heads.remove(&key),
            };
        }
    }
}

/// The earlier result, if `encoded` is the same event as the `existing` one.
fn compare(existing: &Record<'_>, encoded: &[u8], id: Uuid, sequence: u64) -> Result<Committed, AppendError> {
    let is_same = Record::at(encoded).is_ok_and(|new| existing.same_content(&new));
    let committed = committed(existing, id, sequence, true);
    if is_same { Ok(committed) } else { Err(AppendError::Duplicate { id, position: committed.position }) }
}

fn committed(record: &Record<'_>, id: Uuid, sequence: u64, replayed: bool) -> Committed {
    #[expect(clippy::expect_used, reason = "placed records are numbered from 1")]
    let (position, version, sequence) = (
        Position::new(record.position()).expect("positions start at 1"),
        Version::new(record.version()).expect("versions start at 1"),
        Sequence::new(sequence).expect("sequences start at 1"),
    );
    Committed {
        id,
        position,
        version,
        sequence,
        recorded_at: Timestamp::from_micros(record.recorded_at()),
        timestamp: Timestamp::from_micros(record.timestamp()),
        replayed,
    }
}
