//! The store as a worker thread sees it: every read may wait for the disk, and ends once nobody waits for it.

use std::sync::Arc;

use allsource_engine::event::{Entity, EventRef, TenantId, Timestamp};
use allsource_engine::{AsOf, Engine, Found, Position, Query, Snapshot, State, Stats, Version};
use uuid::Uuid;

use super::Error;
use super::workers::Cancel;

/// What a worker reads from.
pub struct Look<'a> {
    engine: &'a Engine,
    cancel: &'a Cancel,
}

impl<'a> Look<'a> {
    pub(super) fn new(engine: &'a Engine, cancel: &'a Cancel) -> Self {
        Self { engine, cancel }
    }

    /// The events a query asks for, one by one.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn read(&self, query: &Query) -> Result<Events<'a>, Error> {
        let events = self.engine.read(query)?.until(self.cancel.flag());
        Ok(Events { events, cancel: self.cancel })
    }

    /// The first position recorded at or after a time, or the one that the next event gets.
    ///
    /// # Errors
    /// When that cannot be read.
    pub fn first_recorded_since(&self, time: Timestamp) -> Result<Position, Error> {
        self.check()?;
        Ok(self.engine.first_recorded_since(time)?)
    }

    /// The event of an id, if the tenant has it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn event(&self, tenant: &TenantId, id: Uuid) -> Result<Option<EventRef>, Error> {
        self.check()?;
        Ok(self.engine.event(tenant, id)?)
    }

    /// The version of an entity; `None`: it has no events.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn head(&self, entity: &Entity) -> Result<Option<Version>, Error> {
        self.check()?;
        Ok(self.engine.head(entity)?)
    }

    /// How many events a query matches, if an index knows.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn count(&self, query: &Query) -> Result<Option<u64>, Error> {
        self.check()?;
        Ok(self.engine.count(query)?)
    }

    /// The state of an entity as of a moment; `None`: it had no events then.
    ///
    /// # Errors
    /// When its events cannot be read.
    pub fn fold(&self, entity: &Entity, as_of: AsOf) -> Result<Option<State>, Error> {
        self.check()?;
        Ok(self.engine.fold(entity, as_of)?)
    }

    /// As [`Look::fold`]; `visit` gets the events that make the state, until it returns false.
    ///
    /// # Errors
    /// When the events cannot be read.
    pub fn fold_with_history(
        &self,
        entity: &Entity,
        as_of: AsOf,
        visit: &mut dyn FnMut(&EventRef) -> bool,
    ) -> Result<Option<State>, Error> {
        self.check()?;
        Ok(self.engine.fold_with_history(entity, as_of, visit)?)
    }

    /// How much the store holds, or one tenant of it.
    ///
    /// # Errors
    /// When that cannot be read.
    pub fn stats(&self, tenant: Option<&TenantId>) -> Result<Stats, Error> {
        self.check()?;
        Ok(self.engine.stats(tenant)?)
    }

    /// Keeps the state of an entity as it is now; `None`: it has no events.
    ///
    /// # Errors
    /// When its events cannot be read.
    pub fn snapshot(&self, entity: &Entity) -> Result<Option<Snapshot>, Error> {
        self.check()?;
        Ok(self.engine.snapshot(entity)?)
    }

    /// The snapshots of a tenant, or of one entity, at most `limit`; also how many there are.
    pub fn snapshots(
        &self,
        tenant: &TenantId,
        entity: Option<&Entity>,
        limit: usize,
    ) -> (Vec<Arc<Snapshot>>, u64) {
        self.engine.snapshots(tenant, entity, limit)
    }

    /// The newest snapshot of an entity.
    pub fn latest_snapshot(&self, entity: &Entity) -> Option<Arc<Snapshot>> {
        self.engine.latest_snapshot(entity)
    }

    fn check(&self) -> Result<(), Error> {
        if self.cancel.is_set() { Err(Error::Cancelled) } else { Ok(()) }
    }
}

/// Events of a query. Once nobody waits for them, the next one is an error.
pub struct Events<'a> {
    events: allsource_engine::Events,
    cancel: &'a Cancel,
}

impl Events<'_> {
    /// Searches for the next event, looking at no more than `looks`, from which those looked at are taken off.
    ///
    /// # Errors
    /// When they cannot be read, or nobody waits for them.
    pub fn search(&mut self, looks: &mut u64) -> Result<Found, Error> {
        let found = self.events.search(looks);
        if self.cancel.is_set() { Err(Error::Cancelled) } else { Ok(found?) }
    }
}

impl Iterator for Events<'_> {
    type Item = Result<EventRef, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.events.next();
        if self.cancel.is_set() {
            return Some(Err(Error::Cancelled));
        }
        next.map(|event| event.map_err(Error::from))
    }
}
