//! Appending events in their order, each accepted or refused on its own, at the speed of batches: a batch that is
//! refused because of one of its events is halved until that event stands alone.

use std::time::Duration;

use allsource_engine::error::AppendError;
use allsource_engine::{Acknowledged, Committed};
use tokio::time::sleep;

use super::{Admission, Admitted};

/// How long a refused event waits for its next try, and how many times.
const PAUSE: Duration = Duration::from_millis(50);
const PAUSES_MAX: u32 = 200;

/// What to do when the store takes no events for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// End at once.
    None,
    /// Try again for ten seconds.
    Some,
}

/// What became of one event.
pub type Settled = Result<(Committed, Acknowledged), AppendError>;

/// Why not all events were settled.
#[derive(Debug, Clone)]
pub struct Ended {
    /// How many events from the first unsettled one on the error is about. What follows was not attempted.
    pub count: usize,
    /// What happened.
    pub error: AppendError,
}

/// What became of events that were appended in order.
#[derive(Debug, Clone)]
pub struct InOrder {
    /// What became of each event, from the first on; all that is missing at the end is in `ended`.
    pub settled: Vec<Settled>,
    /// `None`: all are settled.
    pub ended: Option<Ended>,
}

pub(super) async fn append(admission: &Admission, events: &[Admitted], patience: Patience) -> InOrder {
    let mut settled: Vec<Settled> = Vec::with_capacity(events.len());
    let mut size = events.len();
    while let Some(rest) = events.get(settled.len()..).filter(|rest| !rest.is_empty()) {
        let part = rest.get(..size).unwrap_or(rest);
        assert!(!part.is_empty(), "a part holds an event");
        match try_append(admission, part, patience).await {
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
    part: &[Admitted],
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

/// Whether the store takes no events for now: nothing was written, and a later try may succeed.
fn is_refusal(error: &AppendError) -> bool {
    matches!(error, AppendError::Overloaded | AppendError::StorageFull | AppendError::Unavailable(_))
}

/// Whether other events can be appended all the same.
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
