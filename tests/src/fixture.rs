//! A small store with a bit of everything, as this release writes it.

use std::sync::Arc;

use allsource_engine::event::{Entity, EntityId, Filter, NewEvent, Payload, Tag, TenantId, Timestamp};
use allsource_engine::platform::sim::{SimClock, SimDisk, SimEntropy};
use allsource_engine::{AsOf, Batch, Engine, OpenError, Options, Query, Step};
use uuid::Uuid;

use crate::oracle::Broken;

/// Opens a store on a disk, to be stepped by hand.
///
/// # Errors
/// If it does not open.
pub fn open(disk: &SimDisk) -> Result<Engine, Broken> {
    try_open(disk).map_err(|error| error.to_string())
}

/// Like [`open`], with the typed error.
///
/// # Errors
/// If it does not open.
pub fn try_open(disk: &SimDisk) -> Result<Engine, OpenError> {
    let options = Options { partitions: 2, journal_file_bytes: 64 << 10, ..Options::default() };
    let clock = Arc::new(SimClock::at(1_800_000_000_000_000));
    let entropy = Arc::new(SimEntropy::seeded(1));
    Engine::open_by_hand(Arc::new(disk.clone()), clock, entropy, options)
}

/// Makes pending appends durable.
pub fn settle(engine: &Engine) {
    while {
        engine.step(Step::Prepare);
        engine.step(Step::Sequence) | engine.step(Step::Commit)
    } {}
}

fn entity(tenant: &str, id: &str) -> Entity {
    Entity::of(TenantId::new(tenant).expect("a good name"), EntityId::new(id).expect("a good name"))
}

fn event(number: u64) -> NewEvent {
    let payload = format!(r#"{{"number":{number},"member-{}":"größe"}}"#, number % 3);
    let event = NewEvent::json("order.placed", payload).expect("a good event");
    let event = event.id(Uuid::from_u128(u128::from(number) << 64 | 0xabc));
    let event = if number.is_multiple_of(2) { event.tag("even").expect("a good tag") } else { event };
    if number.is_multiple_of(5) {
        event.timestamp(Timestamp::from_micros(1_000_000 * number.cast_signed()))
    } else {
        event
    }
}

/// Writes the store as this release does.
///
/// # Errors
/// If a step fails.
pub fn make() -> Result<SimDisk, Broken> {
    let disk = SimDisk::new(1);
    let engine = open(&disk)?;
    for number in 1..=30 {
        let target =
            entity(if number % 7 == 0 { "acme" } else { "default" }, &format!("order-{}", number % 4));
        drop(engine.append(Batch::to(&target).event(event(number))));
        settle(&engine);
        if number % 12 == 0 {
            engine.step(Step::Freeze);
            settle(&engine);
            engine.step(Step::Seal);
        }
    }
    let bytes = NewEvent::bytes("image.added", vec![0, 159, 146, 150]).map_err(|error| error.to_string())?;
    drop(engine.append(Batch::to(&entity("default", "image")).event(bytes)));
    settle(&engine);
    engine.snapshot(&entity("default", "order-1")).map_err(|error| error.to_string())?;
    engine.close();
    disk.kill();
    Ok(disk)
}

/// Checks that an open store is the one [`make`] writes.
///
/// # Errors
/// If anything differs.
pub fn check(engine: &Engine) -> Result<(), Broken> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let all: Vec<_> = engine
        .read(&Query::all())
        .and_then(Iterator::collect)
        .map_err(|error: allsource_engine::ReadError| text(&error))?;
    if all.len() != 31 {
        return Err(format!("{} events instead of 31", all.len()));
    }
    for (found, number) in all.iter().zip(1..=30_u64) {
        let expected = format!(r#"{{"number":{number},"member-{}":"größe"}}"#, number % 3);
        let tenant = if number % 7 == 0 { "acme" } else { "default" };
        let is_same = found.payload() == Payload::Json(&expected)
            && (found.tenant(), found.position().value()) == (tenant, number)
            && found.id() == Uuid::from_u128(u128::from(number) << 64 | 0xabc)
            && found.tags().eq((number % 2 == 0).then_some("even"));
        if !is_same {
            return Err(format!("event {number} is {found:?}"));
        }
    }
    if all.last().map(|event| event.payload()) != Some(Payload::Bytes(&[0, 159, 146, 150])) {
        return Err("the bytes differ".to_owned());
    }
    let tag = Tag::new("even").map_err(|error| text(&error))?;
    let even = Query::matching(Filter::tenant(TenantId::default()).tagged(tag));
    let count = engine.read(&even).map_err(|error| text(&error))?.count();
    if count != 13 {
        return Err(format!("{count} events carry the tag instead of 13"));
    }
    let order = entity("default", "order-1");
    let state = engine.fold(&order, AsOf::Now).map_err(|error| text(&error))?.ok_or("no state")?;
    let snapshot = engine.latest_snapshot(&order).ok_or("the snapshot is missing")?;
    let expected = r#"{"number":29,"member-1":"größe","member-2":"größe","member-0":"größe"}"#;
    match state.to_json() == expected && snapshot.state.to_json() == expected {
        true => Ok(()),
        false => Err(format!("the state is {}", state.to_json())),
    }
}
