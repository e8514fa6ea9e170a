//! Appends events in order, each accepted or refused on its own, at the speed of batches: a batch that is refused
//! because of one event is halved until that event stands alone.

use std::time::Duration;

use allsource_engine::error::AppendError;
use allsource_engine::{Acknowledged, Committed};
use tokio::time::sleep;

use super::{Admission, Events};

/// The pause before a refused event is retried, and the most pauses.
const PAUSE: Duration = Duration::from_millis(50);
const PAUSES_MAX: u32 = 200;

/// What to do while the store refuses every append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// Stop at once.
    None,
    /// Retry for ten seconds.
    Some,
}

/// The outcome of one event.
pub type Settled = Result<(Committed, Acknowledged), AppendError>;

/// The failure that left events unsettled.
#[derive(Debug, Clone)]
pub struct Ended {
    /// How many events the error covers, from the first unsettled one. Those after them were not attempted.
    pub count: usize,
    /// The error.
    pub error: AppendError,
}

/// The outcome of appending events in order.
#[derive(Debug, Clone)]
pub struct InOrder {
    /// The outcome of each settled event, from the first; `ended` covers the others.
    pub settled: Vec<Settled>,
    /// `None`: every event is settled.
    pub ended: Option<Ended>,
}

pub(super) async fn append(admission: &Admission, events: &Events, patience: Patience) -> InOrder {
    let mut settled: Vec<Settled> = Vec::with_capacity(events.len());
    let mut size = events.len();
    while settled.len() < events.len() {
        let part = events.part(settled.len(), size);
        assert!(!part.is_empty(), "a part holds an event");
        match try_append(admission, &part, patience).await {
            Ok(commit) => {
                assert_eq!(commit.events.len(), part.len(), "each event of a batch has its outcome");
                settled.extend(commit.events.into_iter().map(|event| Ok((event, commit.acknowledged))));
                size = size.saturating_mul(2);
            }
            Err(error) if !is_about_an_event(&error) => {
                return InOrder { settled, ended: Some(Ended { count: part.len(), error }) };
            }
            Err(error) if part.len() == 1 => settled.push(Err(error)),
            Err(_) => size = part.len() / 2,
        }
    }
    InOrder { settled, ended: None }
}

async fn try_append(
    admission: &Admission,
    part: &Events,
    patience: Patience,
) -> Result<allsource_engine::Commit, AppendError> {
    let mut pauses = if patience == Patience::Some { PAUSES_MAX } else { 0 };
    loop {
        match admission.append_all(part).await {
            Err(error) if pauses > 0 && is_refusal(&error) => {
                pauses -= 1;
                sleep(PAUSE).await;
            }
            outcome => return outcome,
        }
    }
}

/// Whether the store refuses every append for now: nothing was written, and a retry may succeed.
fn is_refusal(error: &AppendError) -> bool {
    matches!(
        error,
        AppendError::Overloaded
            | AppendError::Overtaken { .. }
            | AppendError::StorageFull
            | AppendError::Refusing(_)
            | AppendError::Unavailable(_)
    )
}

/// Whether the error is about one event only, so that others can still be appended.
fn is_about_an_event(error: &AppendError) -> bool {
    matches!(
        error,
        AppendError::Conflict { .. }
            | AppendError::Invalid { .. }
            | AppendError::Duplicate { .. }
            | AppendError::RepeatedId { .. }
            | AppendError::TooLarge { .. }
    )
}
