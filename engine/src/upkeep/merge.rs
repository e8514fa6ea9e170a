//! Merging, or compaction: small generations become larger ones, which keeps their number logarithmic. Runs are copied in
//! order; small neighbours are joined up to the limit of a run.

use std::ops::Range;
use std::sync::Arc;

use allsource_format::manifest::Generation as Entry;

use super::{Upkeep, UpkeepError, count};
use crate::error::ReadError;
use crate::generation::{Builder, Generation, WriteError, run_length};
use crate::holder::Run;

/// How many generations of similar size are merged into one.
const FANIN: usize = 8;
/// The most events of a merged generation: its index is built in memory, at about 40 bytes an event.
const EVENTS_MAX: u64 = 4 << 20;
/// The average segment of a partition is at most this long after a merge (512 MiB).
const SEGMENT_BYTES_MAX: u64 = 512 << 20;

/// The generations to merge: the newest ones up to some size, if there are enough.
pub(super) fn choose(generations: &[Entry], partitions: u32) -> Option<Range<usize>> {
    let tier = |entry: &Entry| entry.records.bytes.max(1).ilog2() / FANIN.ilog2();
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
            bytes += entry.records.bytes;
            events <= EVENTS_MAX && bytes <= SEGMENT_BYTES_MAX * u64::from(partitions)
        });
        let tiers: Vec<u32> = fitting.map(tier).collect();
        // If eight exceed a limit, merge those that fit, unless they are too few to be worth it.
        let is_enough = tiers.len() == count || tiers.len() >= FANIN / 2;
        (is_due && is_enough).then(|| generations.len() - tiers.len()..generations.len())
    })
}

/// Merges generations if enough are of similar size. False: there are too few.
pub(super) fn merge(upkeep: &Upkeep) -> Result<bool, UpkeepError> {
    let _changing = upkeep.changing.lock();
    let layers = upkeep.store.layers();
    let entries: Vec<Entry> =
        layers.generations.iter().map(|generation| generation.entry().clone()).collect();
    let Some(range) = choose(&entries, upkeep.access.partitions) else { return Ok(false) };
    upkeep.check_not_fenced()?;
    #[expect(clippy::expect_used, reason = "the range was chosen over these generations")]
    let sources = layers.generations.get(range.clone()).expect("the layers hold the chosen generations");
    let [oldest, .., newest] = sources else { unreachable!("a merge takes several generations") };
    let (first, last) = (oldest.entry().first_position, newest.entry().last_position);
    let mut builder = Builder::new(&upkeep.access, upkeep.store_id, upkeep.epoch, first..=last)
        .map_err(WriteError::from)?;
    for partition in 0..upkeep.access.partitions {
        let sequences = sources.iter().map(|source| source.first_sequence(partition));
        let sequences = sequences.collect::<Result<Vec<_>, ReadError>>().map_err(WriteError::from)?;
        if let Some(first_sequence) = sequences.into_iter().flatten().next() {
            builder.begin_segment(partition, first_sequence);
            fill(&mut builder, partition, sources)?;
        }
    }
    let entry = builder.finish()?;
    let events: u64 = sources.iter().map(|source| source.entry().events).sum();
    assert_eq!(entry.events, events, "a merge keeps every event of its sources");
    let generation = Arc::new(Generation::new(entry.clone(), upkeep.access.clone()));
    let (merged, merged_bytes) = (range.clone(), generation.stored_bytes());
    let published = Arc::clone(&generation);
    upkeep.publish(
        &published,
        |generations, _| {
            generations.splice(merged, [entry.clone()]);
        },
        || {
            sources.iter().for_each(|source| source.replace());
            upkeep.store.change(|layers| {
                let replaced = layers.generations.splice(range, [generation]);
                replaced.for_each(|source| upkeep.retired.generation(source));
            });
        },
    )?;
    count(&upkeep.done.merges, 1);
    count(&upkeep.done.merged_bytes, merged_bytes);
    Ok(true)
}

fn fill(builder: &mut Builder<'_>, partition: u32, sources: &[Arc<Generation>]) -> Result<(), WriteError> {
    let mut all: Vec<(&Generation, Run)> = Vec::new();
    for source in sources {
        all.extend(source.runs(partition)?.into_iter().map(|run| (&**source, run)));
    }
    let mut left = &all[..];
    while !left.is_empty() {
        let (joined, rest) = left.split_at(run_length(left.iter().map(|(_, run)| run.bytes)));
        join(builder, joined)?;
        builder.end_run();
        left = rest;
    }
    Ok(())
}

/// Joins neighbouring runs into one. If an entity is in several of them, the earlier run has its earlier versions.
fn join(builder: &mut Builder<'_>, sources: &[(&Generation, Run)]) -> Result<(), WriteError> {
    let lanes = sources.iter().map(|(source, run)| source.records(run));
    let mut lanes = lanes.collect::<Result<Vec<_>, ReadError>>()?;
    for lane in &mut lanes {
        lane.advance()?;
    }
    loop {
        let keys = lanes.iter().enumerate().filter_map(|(number, lane)| {
            let (_, record) = lane.current()?;
            Some(((record.tenant_bytes(), record.entity_bytes()), number))
        });
        let Some((_, number)) = keys.min() else { return Ok(()) };
        #[expect(clippy::expect_used, reason = "keys were numbered over these lanes")]
        let lane = lanes.get_mut(number).expect("the least key belongs to a lane");
        if let (Some((_, record)), Some((source, _))) = (lane.current(), sources.get(number)) {
            builder.push(&record).map_err(|error| match error {
                WriteError::Misplaced(_) => source.damaged(&error.to_string()).into(),
                error => error,
            })?;
        }
        lane.advance()?;
    }
}

#[cfg(test)]
mod tests;
