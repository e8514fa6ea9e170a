//! Logs changes in the health of the store, and a clock that has fallen behind the log.

use std::time::Duration;

use allsource_engine::Health;
use tokio::time::timeout;

use super::clock::ClockWatch;
use super::tasks::Member;
use crate::store::Store;

/// How often to check the health of the store.
const INTERVAL: Duration = Duration::from_millis(500);

/// Watches the store until the server stops.
pub async fn watch(store: Store, member: Member) {
    let mut before = Health::Serving;
    let mut clock = ClockWatch::default();
    while timeout(INTERVAL, member.stopping()).await.is_err() {
        clock.look(store.clock_behind());
        let health = store.health();
        if health != before {
            log(&health);
            before = health;
        }
    }
}

fn log(health: &Health) {
    match health {
        Health::Serving => tracing::info!("the store accepts appends again"),
        Health::StorageFull { needed_bytes } => {
            tracing::error!(needed_bytes, "the disk is full: appends are refused until there is room");
        }
        Health::Refusing(reason) => tracing::error!(%reason, "appends are refused until this is resolved"),
        Health::Moved => {
            tracing::warn!("the store's folder was moved; the store continues in its new place");
        }
        Health::NotSealing(reason) => {
            tracing::error!(%reason, "events cannot be sealed; appends continue until memory is full");
        }
        Health::Damaged(damages) => {
            for damage in damages {
                tracing::error!(
                    file = damage.file,
                    offset = damage.offset,
                    problem = damage.problem,
                    "damage"
                );
            }
        }
        Health::Fenced(reason) => tracing::error!(%reason, "the store refuses appends until it is reopened"),
    }
}
