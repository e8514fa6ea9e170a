//! Decides one append at a time: all of it enters the round, or none of it leaves a trace.

use allsource_format::frame::Kind;
use allsource_format::record::{BYTES_MIN, Stamp};

use super::flight::{Flight, IdKey, Notes, version_at};
use super::known::{Known, counted};
use crate::append::{Answer, PreparedEvent, PreparedPart, Reply, Request, encoded_of, record_of};
use crate::batch::{Acknowledged, Commit, Committed, ExpectedVersion};
use crate::error::{AppendError, ReadError};
use crate::event::{EventRef, Timestamp};
use crate::journal::RoundBuilder;
use crate::planted::{self, Bug};
use crate::position::{Position, Sequence, Version};
use crate::view::Layers;

/// The latest accepted reading of the clock. It leaves room for a year of commit times.
const CLOCK_MAX: i64 = Timestamp::MAX.micros() - 31_536_000_000_000;

/// The round under construction, and everything on which a decision depends.
pub(super) struct Decider<'a> {
    pub(super) round: &'a mut RoundBuilder,
    pub(super) notes: Notes,
    pub(super) records: Vec<u32>,
    pub(super) flight: &'a Flight,
    pub(super) layers: &'a Layers,
    pub(super) sequences: &'a mut Vec<u64>,
    pub(super) last_recorded_at: &'a mut i64,
    pub(super) now: i64,
}

/// How to undo what a refused append has done so far.
#[derive(Default)]
struct Undo {
    /// The number of each part that was placed, and the offset of its entity's last event in the round before.
    heads: Vec<(usize, Option<u32>)>,
    /// Hashes and offsets of events whose id was given.
    ids: Vec<(u64, u32)>,
    partitions: Vec<u32>,
    records: usize,
    last_recorded_at: i64,
}

fn part_of(request: &Request, number: usize) -> &PreparedPart {
    #[expect(clippy::expect_used, reason = "the number was counted over these parts")]
    request.parts.get(number).expect("a part of this request")
}

impl Decider<'_> {
    /// Decides one request.
    pub(super) fn decide(&mut self, request: Request) -> (Reply, Answer) {
        let mut undo =
            Undo { records: self.records.len(), last_recorded_at: *self.last_recorded_at, ..Undo::default() };
        self.round.open_frame();
        let answer = self.place_parts(&request, &mut undo);
        match &answer {
            Ok(_) if self.records.len() > undo.records => self.round.close_frame(Kind::Append),
            Ok(_) => self.round.abandon_frame(),
            Err(_) => {
                self.take_back(&request, undo);
                self.round.abandon_frame();
            }
        }
        (request.reply, answer)
    }

    fn place_parts(&mut self, request: &Request, undo: &mut Undo) -> Answer {
        let count = request.parts.iter().map(|part| part.events.len()).sum();
        let mut events = Vec::with_capacity(count);
        self.check_absent(request)?;
        for (number, part) in request.parts.iter().enumerate() {
            self.place_part(request, number, part, &mut events, undo)?;
        }
        assert_eq!(events.len(), count, "each event is placed or found");
        self.check_alone(request, &events)?;
        Ok(Commit { events, acknowledged: Acknowledged::Synced })
    }

    fn place_part(
        &mut self,
        request: &Request,
        number: usize,
        part: &PreparedPart,
        events: &mut Vec<Committed>,
        undo: &mut Undo,
    ) -> Result<(), AppendError> {
        let in_round = self.notes.head(part, self.round.bytes());
        let before = match in_round {
            Some(offset) => Some(version_at(self.round.bytes(), offset)),
            None => self.head_before_round(part, request.sealed_through)?,
        };
        // An entity without events is at version 0.
        let mut head = before.unwrap_or(0);
        let mut last = in_round;
        for (place, event) in part.events.iter().enumerate() {
            if let Some(existing) = self.find_existing(request, part, event, undo)? {
                events.push(existing);
                continue;
            }
            if let Some(problem) = &event.refusal {
                return Err(AppendError::Invalid { index: events.len(), problem: (**problem).clone() });
            }
            // The expectation is for the first event. If that is stored already, it was checked then.
            if place == 0 {
                self.check_version(request, part, before, undo)?;
            }
            if *self.last_recorded_at >= Timestamp::MAX.micros() {
                let reason = "the last event has the latest possible commit time, so none can follow it";
                return Err(AppendError::Fenced(reason.to_owned()));
            }
            head += 1;
            last = Some(self.round.next_offset());
            events.push(self.place(request, part, event, head, undo));
        }
        if last != in_round {
            self.notes.set_head(part, self.round.bytes(), last);
            undo.heads.push((number, in_round));
        }
        Ok(())
    }

    /// The version of a part's entity before this round, including appends in flight.
    fn head_before_round(&self, part: &PreparedPart, sealed_through: u64) -> Result<Option<u64>, ReadError> {
        let in_flight = if planted::is(Bug::ForgetFlight) { None } else { self.flight.head(part) };
        if let Some(version) = in_flight.or_else(|| self.layers.head_in_tails(&part.key)) {
            return Ok(Some(version));
        }
        // Look up what was sealed since the caller's look-up. It was written just now, so it is likely still cached.
        let since = match planted::is(Bug::ForgetSealedSince) {
            true => None,
            false => self.layers.sealed_head(part.key_hash, &part.key, sealed_through)?,
        };
        Ok(since.or(part.sealed_head))
    }

    /// The same event from an earlier append, if its id is known.
    fn find_existing(
        &self,
        request: &Request,
        part: &PreparedPart,
        event: &PreparedEvent,
        undo: &Undo,
    ) -> Result<Option<Committed>, AppendError> {
        if !event.is_id_given || planted::is(Bug::ForgetIds) {
            return Ok(None);
        }
        let key = IdKey { tenant: part.entity.tenant().as_str(), id: event.id, hash: event.id_hash };
        let Some(known) = self.find_id(&key, event.sealed.as_ref(), request.sealed_through)? else {
            return Ok(None);
        };
        let new = record_of(&request.bytes, event);
        let compared = known.compare(&new, event);
        // The refusal also removes the append's own events, so it must not name the position of one.
        let is_own = known.is_in_round() && undo.ids.iter().any(|(hash, _)| *hash == event.id_hash);
        match compared {
            Err(AppendError::Duplicate { id, .. }) if is_own => Err(AppendError::RepeatedId { id }),
            compared => compared.map(Some),
        }
    }

    /// The event of an id, in the round, in flight or stored; `sealed` is what the caller found.
    fn find_id(
        &self,
        key: &IdKey<'_>,
        sealed: Option<&(EventRef, u64)>,
        sealed_through: u64,
    ) -> Result<Option<Known<'_>>, ReadError> {
        if let Some(noted) = self.notes.find(key, self.round.bytes()) {
            return Ok(Some(Known::InRound(noted)));
        }
        if let Some(noted) = self.flight.find(key) {
            return Ok(Some(Known::InFlight(noted)));
        }
        let id = key.id.as_bytes();
        let found = match self.layers.find_id_in_tails(key.tenant, id) {
            Some(found) => Some(found),
            None => {
                let since = self.layers.sealed_id(key.hash, key.tenant, id, sealed_through)?;
                since.or_else(|| sealed.cloned())
            }
        };
        Ok(found.map(|(event, sequence)| Known::Stored(event, sequence)))
    }

    /// Refuses a batch if an event exists that it requires to be absent.
    fn check_absent(&self, request: &Request) -> Result<(), AppendError> {
        for absent in &request.absent {
            let key = IdKey { tenant: absent.tenant.as_str(), id: absent.id, hash: absent.id_hash };
            if let Some(known) = self.find_id(&key, absent.sealed.as_ref(), request.sealed_through)? {
                return Err(known.other_batch());
            }
        }
        Ok(())
    }

    /// Refuses a batch of which some events are stored and some are new, if it must be stored as a whole.
    fn check_alone(&self, request: &Request, events: &[Committed]) -> Result<(), AppendError> {
        let replayed = events.iter().position(|event| event.replayed);
        let Some(number) =
            replayed.filter(|_| request.is_alone && !events.iter().all(|event| event.replayed))
        else {
            return Ok(());
        };
        let mut all =
            request.parts.iter().flat_map(|part| part.events.iter().map(move |event| (part, event)));
        #[expect(clippy::expect_used, reason = "there is one answer for each event")]
        let (part, event) = all.nth(number).expect("an event of this request");
        let key = IdKey { tenant: part.entity.tenant().as_str(), id: event.id, hash: event.id_hash };
        match self.find_id(&key, event.sealed.as_ref(), request.sealed_through)? {
            Some(known) => Err(known.other_batch()),
            None => unreachable!("the id of an event that is stored already was found"),
        }
    }

    /// Checks the expected version against the version after the earlier parts of the batch. A refusal also names the
    /// version without them, because they are refused as well.
    fn check_version(
        &self,
        request: &Request,
        part: &PreparedPart,
        head: Option<u64>,
        undo: &Undo,
    ) -> Result<(), AppendError> {
        if part.expected == ExpectedVersion::Any || part.expected.admits(head.and_then(Version::new)) {
            return Ok(());
        }
        let earlier = undo.heads.iter().find(|(number, _)| part_of(request, *number).key == part.key);
        let actual = match earlier {
            Some((_, Some(offset))) => Some(version_at(self.round.bytes(), *offset)),
            Some((_, None)) => self.head_before_round(part, request.sealed_through)?,
            None => head,
        };
        let actual = actual.and_then(Version::new);
        let in_batch = earlier.and(head).and_then(Version::new);
        Err(AppendError::Conflict { entity: part.entity.clone(), expected: part.expected, actual, in_batch })
    }

    /// Assigns an event its position, version and times, and adds it to the round.
    fn place(
        &mut self,
        request: &Request,
        part: &PreparedPart,
        event: &PreparedEvent,
        version: u64,
        undo: &mut Undo,
    ) -> Committed {
        // Commit times rise even if the clock falls back; the timestamp is what the clock shows.
        let clock = self.now.clamp(Timestamp::MIN.micros(), CLOCK_MAX);
        let recorded_at = clock.max(*self.last_recorded_at + 1);
        assert!(recorded_at > *self.last_recorded_at, "commit times rise");
        *self.last_recorded_at = recorded_at;
        assert!(version > 0 && event.record.len() >= BYTES_MIN, "an event has a version and a record");
        let position = self.round.next_position();
        let encoded = encoded_of(&request.bytes, event);
        let timestamp = event.timestamp.unwrap_or(Timestamp::from_micros(clock));
        let stamp = Stamp { position, version, recorded_at, clock: timestamp.micros() };
        let offset = self.round.push(encoded, event.crc_so_far, &stamp);
        assert!(self.records.last().is_none_or(|last| *last < offset), "records follow each other");
        self.records.push(offset);
        let count = self.count_in(part.partition);
        *count += 1;
        let sequence = *count;
        undo.partitions.push(part.partition);
        if event.is_id_given {
            self.notes.add_id(event, offset, sequence);
            undo.ids.push((event.id_hash, offset));
        }
        Committed {
            id: event.id,
            position: counted(Position::new(position)),
            version: counted(Version::new(version)),
            sequence: counted(Sequence::new(sequence)),
            recorded_at: Timestamp::from_micros(recorded_at),
            timestamp,
            replayed: false,
        }
    }

    /// Undoes a refused append. Its bytes must still be in the round.
    fn take_back(&mut self, request: &Request, undo: Undo) {
        assert!(undo.records <= self.records.len(), "a refused append only added records");
        assert!(undo.last_recorded_at <= *self.last_recorded_at, "commit times rose, if they changed");
        self.records.truncate(undo.records);
        *self.last_recorded_at = undo.last_recorded_at;
        for partition in undo.partitions {
            let count = self.count_in(partition);
            assert!(*count > 0, "what is taken back was counted");
            *count -= 1;
        }
        for (hash, offset) in undo.ids {
            self.notes.remove_id(hash, offset);
        }
        if planted::is(Bug::KeepRefusedHeads) {
            return;
        }
        for (number, previous) in undo.heads.into_iter().rev() {
            self.notes.set_head(part_of(request, number), self.round.bytes(), previous);
        }
    }

    /// How many events a partition has, those in this round included.
    fn count_in(&mut self, partition: u32) -> &mut u64 {
        #[expect(clippy::expect_used, reason = "a key is hashed to one of the store's partitions")]
        self.sequences.get_mut(partition as usize).expect("a partition of the store")
    }
}
