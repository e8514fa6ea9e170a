//! Merging: small generations become larger ones, so that their number stays logarithmic. Runs are copied one after
//! the other; small ones that follow each other are joined, never beyond the limit of a run.

use std::ops::Range;
use std::sync::Arc;

use allsource_format::manifest::Generation as Entry;
use allsource_format::segment::Run;

use super::{Upkeep, UpkeepError, count};
use crate::error::ReadError;
use crate::generation::{Builder, Generation, Records, Segment, WriteError, run_length, runs};
use crate::sealed::SealedFile;

/// So many generations of one size become one.
const FANIN: usize = 8;
/// A merged generation holds at most so many events: its index is built in memory, at about 40 bytes an event.
const EVENTS_MAX: u64 = 4 << 20;
/// A merged segment is at most so long, on average (512 MiB).
const SEGMENT_BYTES_MAX: u64 = 512 << 20;

/// Which of these generations should become one: the newest that are of one size or smaller, if there are enough.
pub(super) fn choose(generations: &[Entry], partitions: u32) -> Option<Range<usize>> {
    let tier = |entry: &Entry| entry.segment_bytes().max(1).ilog2() / FANIN.ilog2();
    let mut tiers: Vec<u32> = generations.iter().map(tier).collect();
    tiers.sort_unstable();
    tiers.dedup();
    tiers.into_iter().find_map(|highest| {
        let newest = || generations.iter().rev().take_while(|entry| tier(entry) <= highest);
        let count = newest().count();
        let is_due = newest().filter(|entry| tier(entry) == highest).count() >= FANIN;
        let (mut events, mut bytes) = (0, 0);
        let fitting = generations.iter().rev().take(count).take_while(|entry| {
            events += entry.events;
            bytes += entry.segment_bytes();
            events <= EVENTS_MAX && bytes <= SEGMENT_BYTES_MAX * u64::from(partitions)
        });
        let tiers: Vec<u32> = fitting.map(tier).collect();
        // Where eight are too much, as many as fit, if that is not too few to be worth it.
        let is_enough = tiers.len() == count || tiers.len() >= FANIN / 2;
        (is_due && is_enough).then(|| generations.len() - tiers.len()..generations.len())
    })
}

/// Merges generations, if there are enough of about one size. False: there are not.
pub(super) fn merge(upkeep: &Upkeep) -> Result<bool, UpkeepError> {
    let layers = upkeep.store.layers();
    let entries: Vec<Entry> =
        layers.generations.iter().map(|generation| generation.entry().clone()).collect();
    let Some(range) = choose(&entries, upkeep.access.partitions) else { return Ok(false) };
    upkeep.check_not_fenced()?;
    let sources = layers.generations.get(range.clone()).unwrap_or(&[]);
    let (Some(oldest), Some(newest)) = (sources.first(), sources.last()) else { return Ok(false) };
    let (first, last) = (oldest.entry().first_position, newest.entry().last_position);
    sources.iter().try_for_each(|source| source.check_segments()).map_err(WriteError::from)?;
    let mut builder = Builder::new(&upkeep.access, upkeep.store_id, upkeep.epoch, first, last);
    for partition in 0..upkeep.access.partitions {
        let segments = sources.iter().filter(|source| source.has_segment(partition));
        let segments: Vec<&SealedFile> = segments
            .map(|source| source.segment(partition))
            .collect::<Result<_, _>>()
            .map_err(WriteError::from)?;
        if let Some(first) = segments.first() {
            let first_sequence = first.header().first_sequence;
            builder.segment(partition, first_sequence, |segment| fill(segment, &segments))?;
        }
    }
    let entry = builder.finish()?;
    let merged = range.clone();
    upkeep.published(
        &entry,
        upkeep.catalog.publish(&*upkeep.access.disk, |generations, _| {
            generations.splice(merged, [entry.clone()]);
        }),
    )?;
    sources.iter().for_each(|source| source.replace());
    let merged_bytes = entry.segment_bytes();
    let generation = Arc::new(Generation::new(entry, upkeep.access.clone()));
    upkeep.store.change(|layers| drop(layers.generations.splice(range, [generation])));
    count(&upkeep.done.merges, 1);
    count(&upkeep.done.merged_bytes, merged_bytes);
    Ok(true)
}

fn fill(segment: &mut Segment<'_>, sources: &[&SealedFile]) -> Result<(), WriteError> {
    let mut all: Vec<(&SealedFile, Run)> = Vec::new();
    for source in sources {
        all.extend(runs(source)?.into_iter().map(|run| (*source, run)));
    }
    let mut left = &all[..];
    while !left.is_empty() {
        let (joined, rest) = left.split_at(run_length(left.iter().map(|(_, run)| run.bytes)));
        join(segment, joined)?;
        segment.end_run();
        left = rest;
    }
    Ok(())
}

/// Makes one run of some that follow each other. Of an entity that is in several, the earlier run has the earlier
/// versions.
fn join(segment: &mut Segment<'_>, sources: &[(&SealedFile, Run)]) -> Result<(), WriteError> {
    let mut lanes =
        sources.iter().map(|(file, run)| Records::of(file, run)).collect::<Result<Vec<_>, ReadError>>()?;
    for lane in &mut lanes {
        lane.advance()?;
    }
    loop {
        let keys = lanes.iter().enumerate().filter_map(|(number, lane)| {
            let (_, record) = lane.current()?;
            Some(((record.tenant_bytes(), record.entity_bytes()), number))
        });
        let Some((_, number)) = keys.min() else { return Ok(()) };
        if let Some(lane) = lanes.get_mut(number) {
            if let Some((_, record)) = lane.current() {
                segment.push(&record)?;
            }
            lane.advance()?;
        }
    }
}

#[cfg(test)]
mod tests;
