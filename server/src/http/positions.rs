//! Where a read begins: at a position, or at a commit time.

use allsource_engine::Position;

use super::params::{Params, invalid};
use crate::problem::Problem;
use crate::store::Store;

/// Checks that a position is at most that of the next event. A client that asks for a later one got it from another
/// log.
pub(super) fn check_end(name: &str, from: Position, store: &Store) -> Result<(), Problem> {
    let last = store.watermark().map_or(0, Position::value);
    if from.value() <= last + 1 {
        return Ok(());
    }
    Err(invalid(name, &format!("is beyond the end of the log: its last position is {last}")))
}

/// The position of the parameter `from_time`: the first that was recorded at that time or later.
pub(super) async fn from_time(params: &Params, store: &Store) -> Result<Option<Position>, Problem> {
    let Some(time) = params.time("from_time")? else { return Ok(None) };
    let first = store.first_recorded_since(time).await?;
    let is_recorded = Some(first) <= store.watermark();
    if !is_recorded && time > store.now() {
        return Err(invalid(
            "from_time",
            &format!("{time} is in the future, when nothing has been recorded yet"),
        ));
    }
    Ok(Some(first))
}
