//! Groups of tasks that are asked to end together, and then waited for.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// A group of tasks. Clones are handles to the same group.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    stop: CancellationToken,
    tracker: TaskTracker,
}

/// Membership of a task in a group, which waits for the task until this is dropped.
#[derive(Debug)]
#[must_use]
pub struct Member {
    stop: CancellationToken,
    _token: TaskTrackerToken,
}

impl Member {
    /// Completes when the group is asked to end.
    pub async fn stopping(&self) {
        self.stop.cancelled().await;
    }
}

impl Tasks {
    /// Makes the calling task a member of the group.
    pub fn join(&self) -> Member {
        Member { stop: self.stop.clone(), _token: self.tracker.token() }
    }

    /// Runs a task of the group. The log reports its panic.
    pub fn spawn<F>(&self, name: &'static str, task: impl FnOnce(Member) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let task = task(self.join());
        tokio::spawn(async move {
            if AssertUnwindSafe(task).catch_unwind().await.is_err() {
                tracing::error!(name, "a background task panicked and has ended");
            }
        });
    }

    /// Whether the group was asked to end.
    pub fn is_stopping(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Asks every member to end, and waits at most this long. Returns whether all have ended.
    pub async fn stop(&self, within: Duration) -> bool {
        self.stop.cancel();
        self.tracker.close();
        timeout(within, self.tracker.wait()).await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_group_ends_once_its_last_member_has_ended() {
        let tasks = Tasks::default();
        let outside = tasks.join();
        tasks.spawn("obedient", |member| async move { member.stopping().await });
        tasks.spawn("broken", |_| async { panic!("a panic for a test") });
        assert!(!tasks.is_stopping());
        assert!(!tasks.stop(Duration::from_millis(20)).await, "one member is still there");
        outside.stopping().await;
        drop(outside);
        assert!(tasks.stop(Duration::MAX).await);
    }
}
