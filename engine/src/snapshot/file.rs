//! A file of snapshots, sorted by the hash of their entities.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use allsource_format::index::{bucket, fanout_bits};
use allsource_format::partition::{KEY_SEPARATOR, key_hash};
use allsource_format::sealed::{Header, Kind};
use allsource_format::snapshot::{
    DIRECTORY, FANOUT, FOLD_MERGE, PLACE_BYTES, Place as Entry, STATES, Snapshot as Stored, check_sections,
};
use uuid::Uuid;

use super::{Cause, Context, DIR, Snapshot};
use crate::error::ReadError;
use crate::event::{Entity, EntityId, TenantId, Timestamp};
use crate::lineage::Incarnation;
use crate::number::index;
use crate::planted::{self, Bug};
use crate::position::{Position, Version};
use crate::sealed::{SealedFile, Slot, Target, Writer};
use crate::state::{Member, State};

pub(super) fn path_of(number: u64) -> String {
    format!("{DIR}/{number:010}.snp")
}

/// A file that has no name yet.
pub(super) const UNNAMED: &str = "snapshots/new.tmp";

/// The number in the name of a file; `None`: the name is not that of a snapshot file.
pub(super) fn number_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".snp").filter(|digits| digits.len() == 10)?;
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    #[expect(clippy::expect_used, reason = "64 bits hold every number of ten digits")]
    let number = digits.parse().expect("ten digits are a number");
    Some(number).filter(|number| *number > 0)
}

/// A file of snapshots. Once it is replaced, dropping the last reference removes it.
pub(super) struct File {
    context: Context,
    path: String,
    header: Header,
    slot: Arc<Slot>,
    is_replaced: AtomicBool,
}

impl File {
    /// Opens a file and reads its header. A file of another store is treated as damaged.
    pub(super) fn open(context: &Context, number: u64) -> Result<Self, ReadError> {
        let (path, slot) = (path_of(number), Arc::default());
        let header = opened(context, &path, &slot)?.header().clone();
        Ok(Self { context: context.clone(), path, header, slot, is_replaced: AtomicBool::new(false) })
    }

    fn file(&self) -> Result<Arc<SealedFile>, ReadError> {
        opened(&self.context, &self.path, &self.slot)
    }

    /// Writes a file without syncing it: after a crash of the system it may be missing or damaged.
    pub(super) fn write(context: &Context, number: u64, snapshots: &[Arc<Snapshot>]) -> io::Result<Self> {
        assert!(number > 0 && !snapshots.is_empty(), "a file has a number and holds snapshots");
        let path = path_of(number);
        context.disk.create_dir(DIR)?;
        let mut writer = Writer::new(Target::create(&*context.disk, UNNAMED)?);
        writer.open_section(STATES)?;
        let mut entries = Vec::with_capacity(snapshots.len());
        for snapshot in snapshots {
            let bytes = encode(snapshot);
            let (hash, version) = (key_hash(&snapshot.entity.key()), snapshot.state.version.value());
            let offset = writer.write(&bytes)?;
            entries.push(Entry { hash, version, offset, bytes: bytes.len() as u64 });
        }
        writer.close_section(snapshots.len() as u64);
        entries.sort_unstable_by_key(|entry| (entry.hash, entry.version, entry.offset));
        writer.open_section(DIRECTORY)?;
        entries.iter().try_for_each(|entry| writer.write(&entry.encode()).map(drop))?;
        writer.close_section(entries.len() as u64);
        writer.open_section(FANOUT)?;
        assert!(entries.is_sorted_by_key(|entry| entry.hash), "a fanout divides ascending hashes");
        let bits = fanout_bits(entries.len() as u64);
        for upper in 0..=1_u64 << bits {
            let below = entries.partition_point(|entry| bucket(entry.hash, bits) < upper);
            #[expect(clippy::expect_used, reason = "the states of one file fit into memory")]
            let below = u32::try_from(below).expect("a file holds fewer than 2^32 snapshots");
            writer.write(&below.to_le_bytes())?;
        }
        writer.close_section((1 << bits) + 1);
        writer.finish(header(context, snapshots))?;
        context.disk.rename(UNNAMED, &path)?;
        Self::open(context, number).map_err(io::Error::other)
    }

    /// Its length.
    pub(super) fn bytes(&self) -> u64 {
        self.header.file_bytes()
    }

    /// How many snapshots it holds.
    pub(super) fn count(&self) -> u64 {
        self.header.events
    }

    /// Marks the file as replaced by another.
    pub(super) fn replace(&self) {
        self.is_replaced.store(true, Ordering::Release);
    }

    fn entry(file: &SealedFile, at: u64) -> Result<Entry, ReadError> {
        let bytes: [u8; PLACE_BYTES] = file.column(DIRECTORY, PLACE_BYTES as u64).entry(at)?;
        Entry::decode(&bytes).map_err(|problem| file.damaged(0, problem))
    }

    /// The indexes of the entries that can have a hash.
    fn candidates(file: &SealedFile, hash: u64) -> Result<std::ops::Range<u64>, ReadError> {
        let count = file.column(DIRECTORY, PLACE_BYTES as u64).len();
        let (column, bucket) = (file.column(FANOUT, 4), bucket(hash, fanout_bits(count)));
        let range = u64::from(column.u32(bucket)?)..u64::from(column.u32(bucket + 1)?);
        match range.start <= range.end && range.end <= count {
            true => Ok(range),
            false => Err(file.damaged(0, "the fanout does not ascend")),
        }
    }

    /// A snapshot; `None`: it belongs to another history, or to an unknown version of the fold.
    fn snapshot(&self, file: &SealedFile, entry: &Entry) -> Result<Option<Snapshot>, ReadError> {
        let length = index(entry.bytes);
        let snapshot = file
            .with(entry.offset, length, |bytes| match Stored::decode(bytes) {
                Ok(stored) if stored.fold == FOLD_MERGE => of(&stored).map(Some),
                Ok(_) => Some(None),
                Err(_) => None,
            })?
            .ok_or_else(|| file.damaged(entry.offset, "this is not a valid snapshot"))?;
        let is_of_this_history = |snapshot: &Snapshot| {
            self.context.lineage.writer_of(snapshot.state.position.value()) == snapshot.incarnation
                || planted::is(Bug::TrustAnySnapshot)
        };
        Ok(snapshot.filter(is_of_this_history))
    }

    /// The newest snapshot of an entity that `is_wanted` accepts.
    pub(super) fn find(
        &self,
        hash: u64,
        key: &[u8],
        is_wanted: &dyn Fn(&State) -> bool,
        is_room: &mut dyn FnMut(usize) -> bool,
    ) -> Result<Option<Arc<Snapshot>>, ReadError> {
        let file = self.file()?;
        for at in Self::candidates(&file, hash)?.rev() {
            let entry = Self::entry(&file, at)?;
            if entry.hash != hash {
                continue;
            }
            if !is_room(index(entry.bytes)) {
                return Ok(None);
            }
            let Some(snapshot) = self.snapshot(&file, &entry)? else { continue };
            if snapshot.entity.key()[..] == *key && is_wanted(&snapshot.state) {
                return Ok(Some(Arc::new(snapshot)));
            }
        }
        Ok(None)
    }

    /// Calls `hand` with every snapshot, or with those that can belong to one entity.
    pub(super) fn each(
        &self,
        entity: Option<&Entity>,
        mut hand: impl FnMut(Arc<Snapshot>),
    ) -> Result<(), ReadError> {
        let file = self.file()?;
        let range = match entity {
            Some(entity) => Self::candidates(&file, key_hash(&entity.key()))?,
            None => 0..file.column(DIRECTORY, PLACE_BYTES as u64).len(),
        };
        for at in range {
            if let Some(snapshot) = self.snapshot(&file, &Self::entry(&file, at)?)? {
                hand(Arc::new(snapshot));
            }
        }
        Ok(())
    }
}

impl Drop for File {
    fn drop(&mut self) {
        if *self.is_replaced.get_mut() {
            // If it cannot be removed now, the next opening finds it, and a later merge replaces it again.
            let _ = self.context.disk.remove(&self.path);
        }
    }
}

/// The file of a slot, opened if it is closed.
fn opened(context: &Context, path: &str, slot: &Arc<Slot>) -> Result<Arc<SealedFile>, ReadError> {
    context.open_files.file(slot, || {
        let file = SealedFile::open(&context.disk, path, Kind::Snapshots, context.mode)?;
        if file.header().store != context.store {
            return Err(file.damaged(0, "the snapshots belong to another store"));
        }
        check_sections(file.header()).map_err(|problem| file.damaged(0, problem))?;
        Ok(file)
    })
}

fn header(context: &Context, snapshots: &[Arc<Snapshot>]) -> Header {
    let (first_position, last_position) =
        extremes(snapshots.iter().map(|snapshot| snapshot.state.position.value()));
    let (min_timestamp, max_timestamp) =
        extremes(snapshots.iter().map(|snapshot| snapshot.state.max_timestamp.micros()));
    Header {
        kind: Kind::Snapshots,
        store: context.store,
        epoch: context.epoch,
        first_position,
        last_position,
        events: snapshots.len() as u64,
        min_timestamp,
        max_timestamp,
        checksums: 0,
        checksums_crc: 0,
        source_crc: 0,
        sections: Vec::new(),
    }
}

/// The least and the greatest of at least one number.
fn extremes<T: Ord + Copy>(numbers: impl Iterator<Item = T> + Clone) -> (T, T) {
    let (least, greatest) = (numbers.clone().min(), numbers.max());
    #[expect(clippy::expect_used, reason = "a file without snapshots is not written")]
    least.zip(greatest).expect("a file holds a snapshot")
}

fn encode(snapshot: &Snapshot) -> Vec<u8> {
    let state = &snapshot.state;
    let lengths =
        |member: &Member| [member.name_bytes.to_le_bytes(), member.value_bytes.to_le_bytes()].concat();
    let members: Vec<u8> = state.members.iter().flat_map(lengths).collect();
    let key = format!("{}\0{}", snapshot.entity.tenant(), snapshot.entity.id());
    let stored = Stored {
        id: snapshot.id.into_bytes(),
        created_at: snapshot.created_at.micros(),
        version: state.version.value(),
        position: state.position.value(),
        events: state.event_count,
        last_updated: state.last_updated.micros(),
        max_timestamp: state.max_timestamp.micros(),
        cause: match snapshot.cause {
            Cause::Manual => 1,
            Cause::Automatic => 2,
            Cause::OnDemand => 3,
        },
        fold: FOLD_MERGE,
        incarnation: snapshot.incarnation.to_bytes(),
        key: &key,
        members: &members,
        text: &state.text,
    };
    let length = members.len() + key.len() + state.text.len();
    let mut out = Vec::with_capacity(length + 112);
    stored.encode(&mut out);
    assert!(out.len() > length && out.len().is_multiple_of(8), "a snapshot is padded to whole words");
    out
}

/// Converts a stored snapshot; `None`: it is invalid. Its numbers are checked, because folds continue from them.
fn of(stored: &Stored<'_>) -> Option<Snapshot> {
    let is_whole = stored.events == stored.version || planted::is(Bug::AcceptWrongCount);
    if !is_whole || stored.version > stored.position {
        return None;
    }
    let (tenant, id) = stored.key.split_once(char::from(KEY_SEPARATOR))?;
    #[expect(clippy::expect_used, reason = "lengths are stored in 32 bits")]
    let length = |bytes: usize| u32::try_from(bytes).expect("a length has 32 bits");
    let mut start = 0;
    let member = |(name, value): (usize, usize)| {
        let member = Member { start, name_bytes: length(name), value_bytes: length(value) };
        start += member.name_bytes + member.value_bytes;
        member
    };
    let state = State {
        members: stored.lengths().map(member).collect(),
        text: stored.text.into(),
        version: Version::new(stored.version)?,
        position: Position::new(stored.position)?,
        event_count: stored.events,
        last_updated: Timestamp::from_micros(stored.last_updated),
        max_timestamp: Timestamp::from_micros(stored.max_timestamp),
    };
    let cause = match stored.cause {
        1 => Cause::Manual,
        2 => Cause::Automatic,
        3 => Cause::OnDemand,
        _ => return None,
    };
    Some(Snapshot {
        id: Uuid::from_bytes(stored.id),
        entity: Entity::of(TenantId::new(tenant).ok()?, EntityId::new(id).ok()?),
        created_at: Timestamp::from_micros(stored.created_at),
        cause,
        incarnation: Incarnation::from_bytes(stored.incarnation),
        state,
    })
}
