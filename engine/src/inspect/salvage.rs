//! Reads everything readable out of a store, however damaged the rest is, for a dump.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use super::access;
use super::sources::{Sources, damage_of};
use crate::error::{Damage, OpenError, ReadError};
use crate::event::EventRef;
use crate::generation::Generation;
use crate::holder::Holders;
use crate::journal::Fragments;
use crate::manifest;
use crate::open::lock_shared;
use crate::options::ReadMode;
use crate::platform::{Disk, LocalDisk};
use crate::position::Position;
use crate::query::Query;
use crate::read::Events;
use crate::tail::Tail;
use crate::view::{Layers, View};

/// After damage, this many events are read one by one without another error before they are read ahead again.
const SOUND_EVENTS: u32 = 64;

/// Without an index, this many events are gathered at a time, or fewer if they exceed this many bytes.
const WINDOW_EVENTS: u64 = 65_536;
const WINDOW_BYTES_MAX: usize = 256 << 20;

/// A part of a dump, in the order of the log.
#[derive(Debug)]
pub enum Salvaged<'a> {
    /// A readable event.
    Event(&'a EventRef),
    /// Events that are not readable.
    Missing {
        /// The first of them.
        first: Position,
        /// The last of them.
        last: Position,
        /// Why they are missing.
        why: &'a str,
    },
}

/// The result of a dump.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dumped {
    /// Events passed to the caller.
    pub events: u64,
    /// Events known to be missing.
    pub missing: u64,
    /// What is damaged or cannot be read now.
    pub damage: Vec<Damage>,
    /// Whether every event of the store was passed on: nothing is damaged, or only indexes are.
    pub is_complete: bool,
}

/// Passes every readable event of the store in a folder to `each`, in order, and reports between them which are missing.
/// In place of a damaged manifest it uses the previous one, if that is readable, and the headers of the files that are
/// there.
///
/// # Errors
/// When the folder holds no store, the store is in use or of a newer release, or the system refuses to list it.
pub fn dump(path: &Path, each: &mut dyn FnMut(Salvaged<'_>)) -> Result<Dumped, OpenError> {
    dump_disk(Arc::new(LocalDisk::new(path)), path, &Holders::default(), each)
}

/// [`dump`] of any disk, with these holders of records.
///
/// # Errors
/// As [`dump`].
pub fn dump_disk(
    disk: Arc<dyn Disk>,
    path: &Path,
    holders: &Holders,
    each: &mut dyn FnMut(Salvaged<'_>),
) -> Result<Dumped, OpenError> {
    let _lock = lock_shared(&*disk, path)?;
    salvage(&disk, Sources::find(&disk, path)?, holders, each)
}

/// Passes every readable event of these files to `each`.
pub(super) fn salvage(
    disk: &Arc<dyn Disk>,
    sources: Sources,
    holders: &Holders,
    each: &mut dyn FnMut(Salvaged<'_>),
) -> Result<Dumped, OpenError> {
    let newest = sources.manifest.as_ref().filter(|_| sources.is_newest);
    let fragments = Fragments::find(disk, sources.store, newest)?;
    let mut salvage = Salvage {
        fragments,
        each,
        next: 1,
        end: 1,
        why: None,
        stretch_why: None,
        dumped: Dumped::default(),
        damage: BTreeMap::new(),
        indexes: BTreeSet::new(),
    };
    sources.damage.into_iter().for_each(|damage| salvage.note(damage));
    salvage.note_journal();
    let access = access(Arc::clone(disk), ReadMode::Read, sources.partitions, holders);
    for entry in sources.generations {
        salvage.end = salvage.end.max(entry.last_position + 1);
        salvage.generation(&Arc::new(Generation::new(entry, access.clone())), &sources.sequences);
    }
    salvage.journal();
    Ok(salvage.finish())
}

struct Salvage<'a> {
    fragments: Fragments,
    each: &'a mut dyn FnMut(Salvaged<'_>),
    /// The next position to pass on.
    next: u64,
    /// The position after the last event that the store is known to have held.
    end: u64,
    /// The reason to report if the next position is missing.
    why: Option<String>,
    /// The reason to report for any missing event of the stretch being read.
    stretch_why: Option<String>,
    dumped: Dumped,
    /// By file and offset: damage that affects many events is reported once.
    damage: BTreeMap<(String, u64), String>,
    /// The names of the indexes.
    indexes: BTreeSet<String>,
}

impl Salvage<'_> {
    fn note(&mut self, damage: Damage) {
        self.why.get_or_insert_with(|| damage.to_string());
        self.damage.entry((damage.file, damage.offset)).or_insert(damage.problem);
    }

    fn note_error(&mut self, error: ReadError) {
        self.note(damage_of(error));
    }

    /// Passes on an event, after reporting which are missing before it.
    fn event(&mut self, event: &EventRef) {
        let position = event.position().value();
        if position < self.next {
            return;
        }
        self.skip_to(position);
        (self.each)(Salvaged::Event(event));
        self.dumped.events += 1;
        self.next = position + 1;
    }

    /// Reports everything from the next position up to this one as missing.
    fn skip_to(&mut self, position: u64) {
        assert!(self.next >= 1 && position >= self.next, "a dump moves forwards");
        let why = self.why.take();
        if self.next == position {
            return;
        }
        let why = why.or_else(|| self.stretch_why.clone());
        let why = why.unwrap_or_else(|| "no file of the store holds them".to_owned());
        let (first, last) = (place(self.next), place(position - 1));
        (self.each)(Salvaged::Missing { first, last, why: &why });
        self.dumped.missing += position - self.next;
        self.next = position;
    }

    /// Reads a generation ahead while that succeeds, and event by event past damage. The journal may still hold events
    /// that the generation has lost.
    fn generation(&mut self, generation: &Arc<Generation>, sequences: &[u64]) {
        let last = generation.entry().last_position;
        self.indexes.insert(generation.entry().index.name.clone());
        let tails = vec![Arc::new(Tail::after(last, sequences.to_vec()))];
        let layers = Layers { generations: vec![Arc::clone(generation)], tails, heads: Arc::default() };
        let view = View { watermark: last, layers: Arc::new(layers) };
        let mut start = self.next.max(generation.entry().first_position);
        while start <= last {
            let failed =
                events(&view, start, last).try_for_each(|event| event.map(|event| self.event(&event)));
            let Err(error) = failed else { break };
            self.note_error(error);
            if generation.check_index().is_err() {
                self.without_index(generation);
                break;
            }
            start = start.max(self.next);
            let mut sound = 0;
            while start <= last && sound < SOUND_EVENTS {
                match events(&view, start, start).next() {
                    Some(Ok(event)) => {
                        self.event(&event);
                        sound += 1;
                    }
                    Some(Err(error)) => {
                        self.note_error(error);
                        sound = 0;
                        self.journal_at(start);
                    }
                    None => self.journal_at(start),
                }
                start += 1;
            }
        }
        if let Err(error) = generation.check_index() {
            // Events need only parts of an index: its damage explains no event that is missing later.
            let Damage { file, offset, problem } = damage_of(error);
            self.damage.entry((file, offset)).or_insert(problem);
        }
    }

    /// Reads the readable events of a generation from its segments, a window of positions at a time.
    fn without_index(&mut self, generation: &Generation) {
        let entry = generation.entry();
        let (mut start, last) = (self.next.max(entry.first_position), entry.last_position);
        let mut span = WINDOW_EVENTS;
        while start <= last {
            let end = last.min(start + span - 1);
            let Some(remains) = generation.remains(&(start..=end), WINDOW_BYTES_MAX) else {
                span = (span / 2).max(1);
                continue;
            };
            self.stretch_why = remains.errors.first().map(ToString::to_string);
            remains.errors.into_iter().for_each(|error| self.note_error(error));
            for event in &remains.events {
                (self.next..event.position().value()).for_each(|position| self.journal_at(position));
                self.event(event);
            }
            (self.next..=end).for_each(|position| self.journal_at(position));
            // The rest of the window is reported with the next event: it is missing for the same reason.
            if self.next <= end {
                self.why = self.stretch_why.take();
            }
            self.stretch_why = None;
            start = end + 1;
        }
    }

    /// Passes on the event at a position if the journal has it.
    fn journal_at(&mut self, position: u64) {
        match self.fragments.at(position) {
            Ok(event) => event.into_iter().for_each(|event| self.event(&event)),
            Err(damage) => self.note(damage),
        }
    }

    /// Passes on the journal's events from the next position on.
    fn journal(&mut self) {
        for index in self.fragments.first_from(self.next).. {
            self.why = self.why.take().or_else(|| self.fragments.why(index).map(str::to_owned));
            match self.fragments.read(index) {
                Some(Ok(events)) => events.iter().for_each(|event| self.event(event)),
                Some(Err(damage)) => self.note(damage),
                None => return,
            }
        }
    }

    /// Reports damage to the journal, which explains only events missing from the journal.
    fn note_journal(&mut self) {
        for damage in self.fragments.damage() {
            self.damage.insert((damage.file.clone(), damage.offset), damage.problem.clone());
        }
    }

    fn finish(mut self) -> Dumped {
        let end = self.fragments.end().max(self.end);
        self.skip_to(end.max(self.next));
        let is_index = |file: &String| self.indexes.contains(file);
        self.dumped.is_complete =
            self.dumped.missing == 0 && self.damage.keys().all(|(file, _)| is_index(file));
        let damage = self.damage.into_iter();
        self.dumped.damage =
            damage.map(|((file, offset), problem)| Damage { file, offset, problem }).collect();
        if self.dumped.missing > 0 && self.dumped.damage.is_empty() {
            let problem = format!("{} events are in no file of the store", self.dumped.missing);
            self.dumped.damage.push(Damage::new(manifest::DIR, 0, problem));
        }
        self.dumped
    }
}

/// The events of a view at these positions.
fn events(view: &View, first: u64, last: u64) -> Events {
    let query = Query { from: Position::new(first), to: Position::new(last), ..Query::all() };
    Events::plan(view.clone(), &query)
}

fn place(position: u64) -> Position {
    #[expect(clippy::expect_used, reason = "positions are counted from 1")]
    Position::new(position).expect("a position")
}
