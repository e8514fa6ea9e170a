//! The gate every event passes on its way into the store: names of the system are kept, limits will be too. The
//! only place that appends.

use allsource_engine::error::AppendError;
use allsource_engine::event::{Entity, NewEvent};
use allsource_engine::{Batch, Commit, ExpectedVersion};

use crate::problem::{Kind, Problem};
use crate::store::Store;

/// An event that may be appended, with its entity and what it expects of it.
#[derive(Debug, Clone)]
pub struct Admitted {
    entity: Entity,
    expected: ExpectedVersion,
    event: NewEvent,
}

impl Admitted {
    /// Lets an event through.
    ///
    /// # Errors
    /// When one of its names belongs to the system.
    pub fn new(entity: Entity, expected: ExpectedVersion, event: NewEvent) -> Result<Self, Problem> {
        let names = [
            ("tenant_id", entity.tenant().as_str()),
            ("entity_id", entity.id().as_str()),
            ("event_type", event.event_type().as_str()),
        ];
        if let Some((field, name)) = names.into_iter().find(|(_, name)| name.starts_with('_')) {
            let detail = format!("{field} `{name}` begins with `_`: such names are reserved for the system");
            return Err(Problem::new(Kind::RESERVED_NAME, detail).with("field", field));
        }
        Ok(Self { entity, expected, event })
    }

    /// Its entity.
    pub fn entity(&self) -> &Entity {
        &self.entity
    }
}

/// Appends one event.
///
/// # Errors
/// Why it was not accepted, or that its outcome is unknown.
pub async fn append_one(store: &Store, admitted: Admitted) -> Result<Commit, AppendError> {
    let Admitted { entity, expected, event } = admitted;
    store.append(Batch::to(&entity).expect(expected).event(event)).await
}

/// Appends all events, or none.
///
/// # Errors
/// Why they were not accepted, or that their outcome is unknown.
pub async fn append_all(store: &Store, admitted: &[Admitted]) -> Result<Commit, AppendError> {
    let mut batch: Option<Batch> = None;
    let mut last: Option<&Entity> = None;
    for Admitted { entity, expected, event } in admitted {
        let is_same_part = last == Some(entity) && *expected == ExpectedVersion::Any;
        let part = match batch.take() {
            None => Batch::to(entity).expect(*expected),
            Some(batch) if is_same_part => batch,
            Some(batch) => batch.and_to(entity).expect(*expected),
        };
        batch = Some(part.event(event.clone()));
        last = Some(entity);
    }
    match batch {
        None => Err(AppendError::Empty),
        Some(batch) => store.append(batch).await,
    }
}

/// Appends events one by one in their order, each on its own.
pub async fn append_each(
    store: &Store,
    admitted: impl IntoIterator<Item = Admitted>,
) -> Vec<Result<Commit, AppendError>> {
    let mut outcomes = Vec::new();
    for Admitted { entity, expected, event } in admitted {
        outcomes.push(store.append(Batch::to(&entity).expect(expected).event(event)).await);
    }
    outcomes
}
