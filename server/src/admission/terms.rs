//! What a request says about all of its events.

use allsource_engine::ExpectedVersion;

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

    /// Lets the event through that is the `index`th of its request, counted from 0.
    ///
    /// # Errors
    /// Which rule the event breaks, or which check it does not pass.
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

    /// What a failed append means to the caller: with a key, a taken id means another body.
    pub fn problem(&self, problem: Problem) -> Problem {
        if self.key.is_some() && problem.kind() == Kind::DUPLICATE_ID {
            Key::reused("another event")
        } else {
            problem
        }
    }
}
