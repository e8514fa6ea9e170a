//! Sealing: a frozen tail becomes a generation, and its journal files are recycled.

use std::sync::Arc;

use allsource_format::partition::key_hash;

use super::{Upkeep, UpkeepError, count, misplaced_folder};
use crate::event::EventRef;
use crate::generation::{Builder, Generation, WriteError, run_length};
use crate::tail::Tail;

/// Seals the oldest frozen tail. False: there is none.
pub(super) fn seal(upkeep: &Upkeep) -> Result<bool, UpkeepError> {
    let layers = upkeep.store.layers();
    let [tail, _, ..] = &layers.tails[..] else { return Ok(false) };
    upkeep.check_not_fenced()?;
    let (first, last) = (tail.base() + 1, tail.last_position());
    assert!(first <= last, "an empty tail is not frozen");
    let builder = Builder::new(&upkeep.access, upkeep.store_id, upkeep.epoch, first..=last);
    let mut builder = builder.map_err(WriteError::from)?;
    for partition in 0..upkeep.access.partitions {
        let ordinals = tail.partition(partition).to_vec();
        if !ordinals.is_empty() {
            builder.begin_segment(partition, tail.sequence_through(partition, tail.base()) + 1);
            fill(&mut builder, tail, &ordinals)?;
        }
    }
    let entry = builder.finish()?;
    assert_eq!(entry.events, last - first + 1, "a seal takes every event of the tail");
    let generation = Arc::new(Generation::new(entry.clone(), upkeep.access.clone()));
    let (sealed_bytes, sealed) = (generation.stored_bytes(), Arc::clone(&generation));
    let retired = upkeep.publish(
        &generation,
        |generations, sequences| {
            generations.push(entry.clone());
            *sequences = tail.sequences_through(last);
        },
        || {
            upkeep.store.change(|layers| {
                upkeep.retired.tail(layers.tails.remove(0));
                layers.generations.push(sealed);
            });
        },
    )?;
    // While the folder of sealed files is not in place, the next opening would not find them: keep the journal.
    if let Some(folder) = misplaced_folder(&*upkeep.access.disk)? {
        return Err(UpkeepError::Misplaced(folder));
    }
    upkeep.spare.recycle(&*upkeep.access.disk, retired);
    count(&upkeep.done.seals, 1);
    count(&upkeep.done.sealed_bytes, sealed_bytes);
    Ok(true)
}

fn fill(builder: &mut Builder<'_>, tail: &Tail, mut ordinals: &[u32]) -> Result<(), WriteError> {
    while !ordinals.is_empty() {
        let lengths = ordinals
            .iter()
            .map(|ordinal| tail.with_record(*ordinal, |record| record.as_bytes().len() as u64));
        let (run, rest) = ordinals.split_at(run_length(lengths));
        let events: Vec<EventRef> = run.iter().map(|ordinal| tail.event(*ordinal)).collect();
        for event in sorted(events) {
            builder.push(&event.record())?;
        }
        builder.end_run();
        ordinals = rest;
    }
    Ok(())
}

/// Sorts events, given in the order of positions, by tenant, entity and version. Sorting by hash first compares names
/// once per entity instead of several times per event.
fn sorted(events: Vec<EventRef>) -> Vec<EventRef> {
    let mut hashed: Vec<(u64, u32)> =
        (0..).zip(&events).map(|(number, event)| (key_hash(&event.entity_key()), number)).collect();
    hashed.sort_unstable();
    let name = |number: u32| {
        let event = events.get(number as usize);
        event.map(|event| (event.record().tenant_bytes(), event.record().entity_bytes()))
    };
    let mut groups: Vec<&mut [(u64, u32)]> = hashed.chunk_by_mut(|one, other| one.0 == other.0).collect();
    for group in &mut groups {
        // This separates entities that share a hash; otherwise it changes nothing.
        group.sort_by_key(|(_, number)| name(*number));
    }
    groups.sort_by_key(|group| group.first().and_then(|(_, number)| name(*number)));
    let is_apart = |pair: &[&mut [(u64, u32)]]| match pair {
        [one, other] => {
            one.last().map(|(_, number)| name(*number)) < other.first().map(|(_, number)| name(*number))
        }
        _ => true,
    };
    let mut numbers: Vec<u32> =
        groups.iter().flat_map(|group| group.iter().map(|(_, number)| *number)).collect();
    if !groups.windows(2).all(is_apart) {
        numbers.sort_by_key(|number| (name(*number), *number));
    }
    let sorted: Vec<_> =
        numbers.into_iter().filter_map(|number| events.get(number as usize).cloned()).collect();
    assert_eq!(sorted.len(), events.len(), "sorting keeps every event");
    sorted
}
