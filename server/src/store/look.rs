//! The store as a worker thread sees it: every read may wait for the disk, and ends when its caller has gone.

use std::sync::Arc;

use allsource_engine::error::FoldError;
use allsource_engine::event::{Entity, EventRef, TenantId, Timestamp};
use allsource_engine::{AsOf, Engine, Found, Position, Query, Snapshot, State, Stats, Version};
use uuid::Uuid;

use super::Error;
use super::workers::Cancel;
use crate::budget::Charge;

/// Access to the store for one piece of work.
pub struct Look<'a> {
    engine: &'a Engine,
    cancel: &'a Cancel,
}

impl<'a> Look<'a> {
    pub(super) fn new(engine: &'a Engine, cancel: &'a Cancel) -> Self {
        Self { engine, cancel }
    }

    /// The events that match a query, one by one.
    ///
    /// # Errors
    /// When the events cannot be read.
    pub fn read(&self, query: &Query) -> Result<Events<'a>, Error> {
        let events = self.engine.read(query)?.until(self.cancel.flag());
        Ok(Events { events, cancel: self.cancel })
    }

    /// The first position recorded at or after a time, or the position of the next event.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn first_recorded_since(&self, time: Timestamp) -> Result<Position, Error> {
        self.check()?;
        Ok(self.engine.first_recorded_since(time)?)
    }

    /// The tenant's event with this id, if there is one.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn event(&self, tenant: &TenantId, id: Uuid) -> Result<Option<EventRef>, Error> {
        self.check()?;
        Ok(self.engine.event(tenant, id)?)
    }

    /// The version of an entity; `None` if it has no events.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn head(&self, entity: &Entity) -> Result<Option<Version>, Error> {
        self.check()?;
        Ok(self.engine.head(entity)?)
    }

    /// The number of events that match a query, if an index knows it.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn count(&self, query: &Query) -> Result<Option<u64>, Error> {
        self.check()?;
        Ok(self.engine.count(query)?)
    }

    /// The state of an entity as of a moment; `None` if it had no events then. `visit`, if there is one, is called with
    /// each event of the state until it returns false. The charge grows with the memory that the fold takes, and the fold
    /// ends when its caller has gone.
    ///
    /// # Errors
    /// When its events cannot be read, or the budget has no room for the state.
    pub fn fold(
        &self,
        entity: &Entity,
        as_of: AsOf,
        charge: &mut Charge,
        visit: Option<&mut dyn FnMut(&EventRef) -> bool>,
    ) -> Result<Option<State>, Error> {
        self.within(charge, |room| self.engine.fold_within(entity, as_of, room, visit))
    }

    /// Runs a fold that ends when the budget has no room, or the caller has gone.
    fn within<T>(
        &self,
        charge: &mut Charge,
        fold: impl FnOnce(&mut dyn FnMut(usize) -> bool) -> Result<T, FoldError>,
    ) -> Result<T, Error> {
        self.check()?;
        let mut refused = None;
        let mut room = |bytes| {
            if charge.grow_to(bytes).is_err() {
                refused = Some(Error::NoRoom { is_too_large: bytes > charge.most() });
            }
            refused.is_none() && !self.cancel.is_set()
        };
        match fold(&mut room) {
            Err(FoldError::Stopped) => Err(refused.unwrap_or(Error::Cancelled)),
            outcome => Ok(outcome?),
        }
    }

    /// The size of the store, or of one tenant.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn stats(&self, tenant: Option<&TenantId>) -> Result<Stats, Error> {
        self.check()?;
        Ok(self.engine.stats(tenant)?)
    }

    /// Takes a snapshot of an entity as it is now; `None` if it has no events. The charge grows as in [`Look::fold`].
    ///
    /// # Errors
    /// When its events cannot be read, or the budget has no room for the state.
    pub fn snapshot(&self, entity: &Entity, charge: &mut Charge) -> Result<Option<Snapshot>, Error> {
        self.within(charge, |room| self.engine.snapshot_within(entity, room))
    }

    /// At most `limit` snapshots of a tenant, or of one entity, and the total number of them.
    pub fn snapshots(
        &self,
        tenant: &TenantId,
        entity: Option<&Entity>,
        limit: usize,
    ) -> (Vec<Arc<Snapshot>>, u64) {
        self.engine.snapshots(tenant, entity, limit)
    }

    /// The newest snapshot of an entity. The charge grows by what it takes.
    ///
    /// # Errors
    /// When the budget has no room for it, or the caller has gone.
    pub fn latest_snapshot(
        &self,
        entity: &Entity,
        charge: &mut Charge,
    ) -> Result<Option<Arc<Snapshot>>, Error> {
        self.within(charge, |room| {
            let mut is_room = true;
            let found = self.engine.latest_snapshot_within(entity, &mut |bytes| {
                is_room &= room(bytes);
                is_room
            });
            if is_room { Ok(found) } else { Err(FoldError::Stopped) }
        })
    }

    fn check(&self) -> Result<(), Error> {
        if self.cancel.is_set() { Err(Error::Cancelled) } else { Ok(()) }
    }
}

/// Events of a query. Once the caller has gone, the next one is an error.
pub struct Events<'a> {
    events: allsource_engine::Events,
    cancel: &'a Cancel,
}

impl Events<'_> {
    /// Searches for the next event among at most `looks` events, and subtracts those examined from `looks`.
    ///
    /// # Errors
    /// When the events cannot be read, or the caller has gone.
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
