//! The checks that every event passes. Further checks (schema, quota, permission) are called from here, in the order
//! in which their refusals take precedence.

use allsource_engine::ExpectedVersion;
use allsource_engine::event::{Entity, NewEvent};

use super::Caller;
use crate::problem::{Kind, Problem};

/// An event that may be appended, with its entity and the version it expects.
#[derive(Debug, Clone)]
pub struct Admitted {
    entity: Entity,
    expected: ExpectedVersion,
    event: NewEvent,
}

impl Admitted {
    /// Checks an event of a caller.
    ///
    /// # Errors
    /// The first check that the event fails.
    pub fn new(
        caller: &Caller,
        entity: Entity,
        expected: ExpectedVersion,
        event: NewEvent,
    ) -> Result<Self, Problem> {
        check_names(caller, &entity, &event)?;
        Ok(Self { entity, expected, event })
    }

    /// Its entity.
    pub fn entity(&self) -> &Entity {
        &self.entity
    }

    /// The version that it expects its entity to have.
    pub(super) fn expected(&self) -> ExpectedVersion {
        self.expected
    }

    /// The event itself.
    pub(super) fn event(&self) -> &NewEvent {
        &self.event
    }
}

/// Refuses names that begin with `_`, which are reserved for the system.
fn check_names(caller: &Caller, entity: &Entity, event: &NewEvent) -> Result<(), Problem> {
    if caller.owns_reserved_names() {
        return Ok(());
    }
    let names = [
        ("tenant_id", entity.tenant().as_str()),
        ("entity_id", entity.id().as_str()),
        ("event_type", event.event_type().as_str()),
    ];
    match names.into_iter().find(|(_, name)| name.starts_with('_')) {
        None => Ok(()),
        Some((field, name)) => {
            let detail = format!("{field} `{name}` begins with `_`: such names are reserved for the system");
            Err(Problem::new(Kind::RESERVED_NAME, detail).with("field", field))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_names_are_for_the_server_alone() {
        let admit = |caller: &Caller, id: &str, event_type: &str| {
            let event = NewEvent::json(event_type, "{}").unwrap();
            Admitted::new(caller, Entity::new(id).unwrap(), ExpectedVersion::Any, event).map(drop)
        };
        let client = Caller::client(None);
        assert_eq!(admit(&client, "e", "t"), Ok(()));
        for (id, event_type) in [("_e", "t"), ("e", "_t")] {
            assert_eq!(admit(&client, id, event_type).unwrap_err().kind(), Kind::RESERVED_NAME);
            assert_eq!(admit(&Caller::system(), id, event_type), Ok(()));
        }
    }
}
