//! What a request says about all of its events.

use allsource_engine::ExpectedVersion;
use allsource_engine::event::TenantId;
use uuid::Uuid;

use super::{Admitted, Caller, Key};
use crate::problem::{Kind, Problem};
use crate::wire::EventBody;

/// Who sends the events, and under which key.
#[derive(Debug, Clone)]
pub struct Terms {
    caller: Caller,
    key: Option<Key>,
}

impl Terms {
    /// The terms of a caller's request.
    pub fn of(caller: Caller, key: Option<Key>) -> Self {
        Self { caller, key }
    }

    /// The key, if the request has one.
    pub fn key(&self) -> Option<&Key> {
        self.key.as_ref()
    }

    /// Checks the event at `index`, counted from 0, of the request.
    ///
    /// # Errors
    /// The rule that the event breaks, or the check that it fails.
    pub fn admit(
        &self,
        body: &EventBody<'_>,
        index: u64,
        expected: ExpectedVersion,
    ) -> Result<Admitted, Problem> {
        let tenant = self.caller.tenant_of(body.tenant_id.as_deref())?;
        let mut event = body.event()?;
        if let Some(key) = &self.key {
            if body.has_id() {
                let detail = "an event of a request with an Idempotency-Key cannot have an `id` of its own";
                return Err(Problem::new(Kind::INVALID_EVENT, detail).with("field", "id"));
            }
            event = event.id(key.event_id(&tenant, index));
        }
        Admitted::new(&self.caller, body.entity(tenant)?, expected, event)
    }

    /// For each tenant, the id of an event that would follow the last one; empty without a key.
    pub(super) fn ids_after(&self, events: &[Admitted], count: usize) -> Vec<(TenantId, Uuid)> {
        let Some(key) = &self.key else { return Vec::new() };
        let mut tenants: Vec<&TenantId> = events.iter().map(|event| event.entity().tenant()).collect();
        tenants.sort();
        tenants.dedup();
        tenants.into_iter().map(|tenant| (tenant.clone(), key.event_id(tenant, count as u64))).collect()
    }

    /// The problem of a failed append. With a key, a taken id means that the key was used with another body.
    pub fn problem(&self, problem: Problem) -> Problem {
        if self.key.is_none() || problem.kind() != Kind::DUPLICATE_ID {
            return problem;
        }
        let names = ["event_id", "position", "entity_id", "version"];
        let known = names.iter().filter_map(|name| Some((*name, problem.member(name)?.clone())));
        known.fold(Key::reused("another event"), |reused, (name, value)| reused.with(name, value))
    }
}
