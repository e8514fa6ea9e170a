//! Compares random queries with a plain filter over all events.

use allsource_engine::event::{
    Entity, EntityId, EventRef, EventType, Filter, Payload, Tag, TenantId, Timestamp,
};
use allsource_engine::platform::sim::Seeded;
use allsource_engine::query::Order;
use allsource_engine::{AsOf, Engine, Found, Position, Query, Version};

use crate::oracle::Broken;

/// Runs `count` random queries and compares each answer with a filter over all events.
pub fn check(engine: &Engine, random: &mut Seeded, count: usize) -> Result<(), Broken> {
    let all = collect(engine, &Query::all())?;
    for _ in 0..count {
        let query = draw(&all, random);
        let expected = expected(&all, &query);
        let found = collect(engine, &query)?;
        let (found, expected): (Vec<u64>, Vec<u64>) = (positions(&found), positions(&expected));
        if found != expected {
            return Err(format!("{query:?} found {found:?}, but {expected:?} match"));
        }
        let searched = search(engine, &query, 1 + random.below(9))?;
        if searched != expected {
            return Err(format!("{query:?} found {searched:?} in small steps, but {expected:?} match"));
        }
        let counted = engine.count(&query).map_err(|error| error.to_string())?;
        let unlimited = self::expected(&all, &Query { limit: None, ..query.clone() }).len() as u64;
        if counted.is_some_and(|counted| counted != unlimited) {
            return Err(format!("{query:?} is counted as {counted:?}, but {unlimited} match"));
        }
    }
    check_times(engine, &all, random, count / 4)?;
    check_states(engine, &all, random, count / 4)?;
    check_heads(engine, &all)
}

/// The positions a query finds when each search may examine only a few events and the next resumes where it paused.
fn search(engine: &Engine, query: &Query, looks: u64) -> Result<Vec<u64>, Broken> {
    let (mut query, mut found) = (query.clone(), Vec::new());
    loop {
        let mut left = looks;
        let mut events = engine.read(&query).map_err(|error| error.to_string())?;
        loop {
            match events.search(&mut left).map_err(|error| error.to_string())? {
                Found::End => return Ok(found),
                Found::Event(event) => {
                    found.push(event.position().value());
                    query.limit = query.limit.map(|limit| limit - 1);
                }
                Found::Paused(position) => match query.order {
                    Order::Ascending => break query.from = Some(position),
                    Order::Descending => break query.to = Some(position),
                },
            }
        }
    }
}

/// Checks that the first position since a time is that of the first event recorded then or later.
fn check_times(engine: &Engine, all: &[EventRef], random: &mut Seeded, count: usize) -> Result<(), Broken> {
    for _ in 0..count {
        let Some(one) = all.get(random.below(all.len() as u64) as usize) else { return Ok(()) };
        let time = Timestamp::from_micros(one.recorded_at().micros() + random.below(3) as i64 - 1);
        let found = engine.first_recorded_since(time).map_err(|error| error.to_string())?;
        let next = engine.watermark().map_or(Position::FIRST, Position::next);
        let expected = all.iter().find(|event| event.recorded_at() >= time).map_or(next, EventRef::position);
        if found != expected {
            return Err(format!("{time} is found at {found:?}, but by the events it is {expected:?}"));
        }
    }
    Ok(())
}

/// Folds some entities as of some moments, and compares the states with a fold of all events.
fn check_states(engine: &Engine, all: &[EventRef], random: &mut Seeded, count: usize) -> Result<(), Broken> {
    for _ in 0..count {
        let mut pick = || all.get(random.below(all.len() as u64) as usize).cloned();
        let Some((one, other)) = pick().zip(pick()) else { return Ok(()) };
        let as_of = match random.below(4) {
            0 => AsOf::Version(one.version()),
            1 => AsOf::Position(other.position()),
            2 => AsOf::Time(other.timestamp()),
            _ => AsOf::Now,
        };
        let (tenant, id) = (TenantId::new(one.tenant()), EntityId::new(one.entity_id()));
        let entity = Entity::of(tenant.expect("a good name"), id.expect("a good name"));
        let is_before = |event: &&EventRef| match as_of {
            AsOf::Now => true,
            AsOf::Version(version) => event.version() <= version,
            AsOf::Position(position) => event.position() <= position,
            AsOf::Time(time) => event.timestamp() <= time,
        };
        let own = |event: &&EventRef| event.entity_id() == one.entity_id() && event.tenant() == one.tenant();
        let events: Vec<&EventRef> = all.iter().filter(own).filter(is_before).collect();
        let state = engine.fold(&entity, as_of).map_err(|error| error.to_string())?;
        let found = state.as_ref().map(|state| (state.version(), state.event_count(), state.last_updated()));
        let expected = events.last().map(|last| (last.version(), events.len() as u64, last.timestamp()));
        if found != expected {
            return Err(format!("{entity} as of {as_of:?} is {found:?}, but its events give {expected:?}"));
        }
        let found = state.map(|state| serde_json::from_str::<serde_json::Value>(&state.to_json()));
        let found = found.transpose().map_err(|error| error.to_string())?;
        if found.is_some() && found != Some(merged(&events)) {
            return Err(format!(
                "{entity} as of {as_of:?} is {found:?}, but its events give {:?}",
                merged(&events)
            ));
        }
    }
    Ok(())
}

/// The top-level members of all payloads, later ones replacing earlier ones.
fn merged(events: &[&EventRef]) -> serde_json::Value {
    let mut members = serde_json::Map::new();
    for event in events {
        if let Payload::Json(text) = event.payload()
            && let Ok(serde_json::Value::Object(object)) = serde_json::from_str(text)
        {
            members.extend(object);
        }
    }
    serde_json::Value::Object(members)
}

fn collect(engine: &Engine, query: &Query) -> Result<Vec<EventRef>, Broken> {
    engine.read(query).and_then(Iterator::collect).map_err(|error| format!("{query:?}: {error}"))
}

fn positions(events: &[EventRef]) -> Vec<u64> {
    events.iter().map(|event| event.position().value()).collect()
}

fn expected(all: &[EventRef], query: &Query) -> Vec<EventRef> {
    let admits = |event: &&EventRef| {
        query.from.is_none_or(|from| event.position() >= from)
            && query.to.is_none_or(|to| event.position() <= to)
            && query.filter.from_version.is_none_or(|from| event.version() >= from)
            && query.filter.to_version.is_none_or(|to| event.version() <= to)
            && query.filter.since.is_none_or(|since| event.timestamp() >= since)
            && query.filter.until.is_none_or(|until| event.timestamp() <= until)
            && query.filter.matches(event)
    };
    let mut found: Vec<EventRef> = all.iter().filter(admits).cloned().collect();
    if query.order == Order::Descending {
        found.reverse();
    }
    found.truncate(query.limit.unwrap_or(usize::MAX));
    found
}

/// A query with some bounds and conditions, taken from a stored event if there is one.
fn draw(all: &[EventRef], random: &mut Seeded) -> Query {
    let mut pick = || all.get(random.below(all.len() as u64) as usize).cloned();
    let (one, other, third) = (pick(), pick(), pick());
    let mut query = Query::all();
    let Some((one, other, third)) =
        one.zip(other).zip(third).map(|((one, other), third)| (one, other, third))
    else {
        return query;
    };
    if random.chance(800) {
        query.filter.tenant = TenantId::new(one.tenant()).ok();
    }
    match random.below(9) {
        0 | 1 => query.filter.entity_id = EntityId::new(one.entity_id()).ok(),
        2 => query.filter.types.extend(EventType::new(one.event_type())),
        3 => query.filter.type_prefixes.extend(one.event_type().get(..3).map(str::to_owned)),
        4 => query.filter.tags.extend(one.tags().next().and_then(|tag| Tag::new(tag).ok())),
        5 => query.filter.id = Some(one.id()),
        6 => query.filter = combined(query.filter, [&one, &other, &third], random),
        7 => {
            query.filter.entity_id = EntityId::new(one.entity_id()).ok();
            query.filter = combined(query.filter, [&one, &other, &third], random);
        }
        _ => {}
    }
    let (low, high) = (other.position().min(third.position()), other.position().max(third.position()));
    query.from = random.chance(300).then_some(low);
    query.to = random.chance(300).then_some(high);
    query.filter.from_version = random.chance(200).then(|| other.version());
    query.filter.to_version = random.chance(200).then(|| third.version());
    query.filter.since = random.chance(150).then(|| other.timestamp());
    query.filter.until = random.chance(150).then(|| third.timestamp());
    query.order = if random.chance(500) { Order::Ascending } else { Order::Descending };
    query.limit = random.chance(400).then(|| random.below(12) as usize);
    query
}

/// A filter with several types, prefixes and tags of stored events, which often match one of these events.
fn combined(mut filter: Filter, events: [&EventRef; 3], random: &mut Seeded) -> Filter {
    let [one, other, third] = events;
    let prefix = |event: &EventRef, length| event.event_type().get(..length).map(str::to_owned);
    if random.chance(500) {
        filter
            .types
            .extend([one, other].map(|event| EventType::new(event.event_type()).expect("a good name")));
    }
    if random.chance(400) {
        filter.type_prefixes.extend([prefix(one, 2), prefix(third, 3)].into_iter().flatten());
    }
    if random.chance(300) {
        let length = third.event_type().len();
        filter.exclude_type_prefixes.extend(prefix(third, length));
    }
    if random.chance(400) {
        filter.tags.extend(one.tags().map(|tag| Tag::new(tag).expect("a good name")));
    }
    if random.chance(300) {
        filter.entity_prefix = one.entity_id().get(..8).map(str::to_owned);
    }
    filter
}

/// Checks that the head of every entity is its last version, and that every event is found by its id.
fn check_heads(engine: &Engine, all: &[EventRef]) -> Result<(), Broken> {
    // In a fixed order: runs with the same seed must do the same to the disk.
    let mut heads = std::collections::BTreeMap::new();
    for event in all {
        let tenant = TenantId::new(event.tenant()).map_err(|error| error.to_string())?;
        let id = EntityId::new(event.entity_id()).map_err(|error| error.to_string())?;
        let entity = Entity::of(tenant.clone(), id);
        heads.insert(entity.to_string(), (entity, event.version()));
        let found = engine.event(&tenant, event.id()).map_err(|error| error.to_string())?;
        if found.map(|found| found.position()) != Some(event.position()) {
            return Err(format!("{event:?} is not found by its id"));
        }
    }
    for (entity, version) in heads.into_values() {
        let head: Option<Version> = engine.head(&entity).map_err(|error| error.to_string())?;
        if head != Some(version) {
            return Err(format!("{entity} is at {version:?}, but its head is reported as {head:?}"));
        }
    }
    let events = engine.stats(None).map_err(|error| error.to_string())?.events;
    if events != all.len() as u64 {
        return Err(format!("{events} events are counted, but {} are shown", all.len()));
    }
    Ok(())
}
