//! The conditions of a request on events: the same in query strings and in the frames of a WebSocket client.

use std::fmt;

use allsource_engine::Version;
use allsource_engine::event::{EntityId, EventType, Filter, Tag, TenantId};
use serde::Deserialize;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};

use super::params::{self, Params, invalid};
use crate::problem::Problem;

/// Every condition: as a parameter, and as a field of a frame.
pub(super) const NAMES: [&str; 11] = [
    "entity_id",
    "entity_id_prefix",
    "event_type",
    "event_type_prefix",
    "exclude_event_type_prefix",
    "tag",
    "from_version",
    "to_version",
    "since",
    "until",
    "as_of",
];
/// The conditions that may be repeated, or given as a list.
pub(super) const LISTS: [&str; 4] = ["event_type", "event_type_prefix", "exclude_event_type_prefix", "tag"];
/// Most tags of an event.
const TAGS_MAX: usize = 64;

/// Conditions as the client gave them.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Conditions {
    entity_id: Option<String>,
    entity_id_prefix: Option<String>,
    event_type: Texts,
    event_type_prefix: Texts,
    exclude_event_type_prefix: Texts,
    tag: Texts,
    from_version: Option<u64>,
    to_version: Option<u64>,
    since: Option<String>,
    until: Option<String>,
    as_of: Option<String>,
}

/// One text, or several.
#[derive(Debug, Default)]
struct Texts(Vec<String>);

impl Conditions {
    /// The conditions among the parameters of a request.
    ///
    /// # Errors
    /// When a parameter has the wrong type.
    pub(super) fn among(params: &Params) -> Result<Self, Problem> {
        let text = |name| params.text(name).map(str::to_owned);
        let texts = |name| Texts(params.texts(name).map(str::to_owned).collect());
        // Existing clients send the excluded prefixes separated by commas.
        let excluded = texts("exclude_event_type_prefix").0;
        let excluded = excluded.iter().flat_map(|list| list.split(',')).map(str::trim);
        let version = |name| params.parsed(name, "a version: a whole number from 1");
        Ok(Self {
            entity_id: text("entity_id"),
            entity_id_prefix: text("entity_id_prefix"),
            event_type: texts("event_type"),
            event_type_prefix: texts("event_type_prefix"),
            exclude_event_type_prefix: Texts(
                excluded.filter(|prefix| !prefix.is_empty()).map(str::to_owned).collect(),
            ),
            tag: texts("tag"),
            from_version: version("from_version")?,
            to_version: version("to_version")?,
            since: text("since"),
            until: text("until"),
            as_of: text("as_of"),
        })
    }

    /// The filter on a tenant's events.
    ///
    /// # Errors
    /// When a name breaks a rule, or no event can meet the conditions: an empty answer would hide the mistake.
    pub(super) fn filter(self, tenant: TenantId) -> Result<Filter, Problem> {
        let time = |name, text: Option<String>| text.map(|text| params::time(name, &text)).transpose();
        let until = [time("until", self.until)?, time("as_of", self.as_of)?];
        let filter = Filter {
            entity_id: self.entity_id.map(EntityId::new).transpose()?,
            entity_prefix: self.entity_id_prefix,
            types: self.event_type.0.into_iter().map(EventType::new).collect::<Result<_, _>>()?,
            type_prefixes: self.event_type_prefix.0,
            exclude_type_prefixes: self.exclude_event_type_prefix.0,
            tags: self.tag.0.into_iter().map(Tag::new).collect::<Result<_, _>>()?,
            from_version: version("from_version", self.from_version)?,
            to_version: version("to_version", self.to_version)?,
            since: time("since", self.since)?,
            until: until.into_iter().flatten().min(),
            ..Filter::tenant(tenant)
        };
        check_prefixes(&filter)?;
        check_entity(&filter)?;
        check_types(&filter)?;
        ascending("from_version", filter.from_version, "to_version", filter.to_version)?;
        ascending("since", filter.since, "until or as_of", filter.until)?;
        if filter.tags.len() > TAGS_MAX {
            return Err(invalid(
                "tag",
                &format!("is given {} times, but an event has at most {TAGS_MAX}", filter.tags.len()),
            ));
        }
        Ok(filter)
    }
}

fn version(name: &str, number: Option<u64>) -> Result<Option<Version>, Problem> {
    let version = |number| Version::new(number).ok_or_else(|| invalid(name, "must be at least 1"));
    number.map(version).transpose()
}

/// Refuses two bounds in the wrong order, between which there is nothing.
pub(super) fn ascending<T: Ord + fmt::Display>(
    lower: &str,
    least: Option<T>,
    upper: &str,
    most: Option<T>,
) -> Result<(), Problem> {
    match least.zip(most) {
        Some((least, most)) if least > most => {
            Err(invalid(lower, &format!("is {least}, which comes after {upper}, {most}")))
        }
        _ => Ok(()),
    }
}

/// Refuses a prefix with which no name can begin, and which could never match.
fn check_prefixes(filter: &Filter) -> Result<(), Problem> {
    let check = |name: &str, prefix: &str, error: Option<String>| match error {
        Some(error) => Err(invalid(name, &format!("`{prefix}` cannot begin a name: {error}"))),
        None => Ok(()),
    };
    // A name cannot end with white space, but a prefix of it can.
    if let Some(prefix) = &filter.entity_prefix {
        let error = EntityId::new(prefix.trim_end()).err();
        check("entity_id_prefix", prefix, error.map(|error| error.problem))?;
    }
    let prefixes = filter.type_prefixes.iter().map(|prefix| ("event_type_prefix", prefix));
    let excluded = filter.exclude_type_prefixes.iter().map(|prefix| ("exclude_event_type_prefix", prefix));
    for (name, prefix) in prefixes.chain(excluded) {
        let error = EventType::new(prefix.trim_end()).err();
        check(name, prefix, error.map(|error| error.problem))?;
    }
    Ok(())
}

fn check_entity(filter: &Filter) -> Result<(), Problem> {
    let (Some(entity), Some(prefix)) = (&filter.entity_id, &filter.entity_prefix) else { return Ok(()) };
    if entity.as_str().starts_with(prefix) {
        return Ok(());
    }
    Err(invalid("entity_id_prefix", &format!("`{prefix}` is not a prefix of the entity_id `{entity}`")))
}

/// Refuses types and prefixes that can all never match.
fn check_types(filter: &Filter) -> Result<(), Problem> {
    let excluded =
        |name: &str| filter.exclude_type_prefixes.iter().find(|prefix| name.starts_with(prefix.as_str()));
    let types = filter.types.iter().map(|event_type| ("event_type", event_type.as_str()));
    let prefixes = filter.type_prefixes.iter().map(|prefix| ("event_type_prefix", prefix.as_str()));
    let asked: Vec<(&str, &str)> = if filter.types.is_empty() { prefixes.collect() } else { types.collect() };
    let can_match = |(name, text): &(&str, &str)| match *name {
        "event_type" => filter.admits_type(text),
        _ => excluded(text).is_none(),
    };
    match asked.first() {
        Some((name, text)) if !asked.iter().any(can_match) => Err(invalid(
            name,
            &match excluded(text) {
                Some(prefix) => format!("`{text}` is excluded by exclude_event_type_prefix `{prefix}`"),
                None => format!("`{text}` begins with none of the given event_type_prefix"),
            },
        )),
        _ => Ok(()),
    }
}

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextsVisitor)
    }
}

struct TextsVisitor;

impl<'de> Visitor<'de> for TextsVisitor {
    type Value = Texts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a list of texts, or null")
    }

    fn visit_unit<E: Error>(self) -> Result<Texts, E> {
        Ok(Texts::default())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Texts, E> {
        Ok(Texts(vec![text.to_owned()]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Texts, A::Error> {
        let mut texts = Vec::new();
        while let Some(text) = list.next_element()? {
            texts.push(text);
        }
        Ok(Texts(texts))
    }
}
