//! Makes room for new connections: at the limit, connections without a request in progress are closed, those that have
//! been idle longest first.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::pending;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::StatusCode;
use axum::response::Response;
use http_body_util::BodyExt as _;
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::socket::Client;

/// A connection that became idle more recently than this is not closed: its next request may be on the way.
const IDLE_MIN: Duration = Duration::from_millis(500);
/// One in this many connections is closed at a time, so that looking for them stays cheap in a flood of clients.
const CLOSED_PART: usize = 64;

/// The state of a connection with a request in progress.
const BUSY: u64 = u64::MAX;
/// The state of a connection that is being closed. Every other state is the time in milliseconds since it is idle.
const CLOSING: u64 = u64::MAX - 1;

/// All open connections. Clones are handles to the same ones.
#[derive(Debug, Clone)]
pub(super) struct Connections {
    begun: Instant,
    open: Arc<Mutex<Open>>,
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    by_number: HashMap<u64, Arc<Activity>>,
}

/// Whether a connection is idle.
#[derive(Debug)]
pub(super) struct Activity {
    begun: Instant,
    state: AtomicU64,
    /// Whether bytes wait for the client to read.
    is_writing: AtomicBool,
    close: CancellationToken,
}

/// The place of an open connection among those allowed; dropping it makes room for another one.
#[derive(Debug)]
pub(super) struct Place {
    connections: Connections,
    number: u64,
    activity: Arc<Activity>,
    _permit: OwnedSemaphorePermit,
}

/// A request in progress. Dropping it makes the connection idle.
struct InProgress(Option<Arc<Activity>>);

impl Default for Connections {
    fn default() -> Self {
        Self { begun: Instant::now(), open: Arc::default() }
    }
}

impl Connections {
    fn open(&self) -> MutexGuard<'_, Open> {
        // Nothing that holds the lock can leave the map half changed.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a connection, idle from now on.
    pub(super) fn add(&self, permit: OwnedSemaphorePermit) -> Place {
        let activity = Arc::new(Activity {
            begun: self.begun,
            state: AtomicU64::new(0),
            is_writing: AtomicBool::new(false),
            close: CancellationToken::new(),
        });
        activity.rest();
        let mut open = self.open();
        let number = open.next;
        open.next += 1;
        let before = open.by_number.insert(number, Arc::clone(&activity));
        assert!(before.is_none(), "every connection has its own number");
        Place { connections: self.clone(), number, activity, _permit: permit }
    }

    /// Closes connections that have been idle longest. Returns how many.
    pub(super) fn close_idle(&self) -> usize {
        let Some(latest) = self.begun.elapsed().checked_sub(IDLE_MIN).map(millis) else { return 0 };
        let open = self.open();
        let mut idle: Vec<(u64, &Arc<Activity>)> =
            open.by_number.values().filter_map(|activity| Some((activity.idle_since()?, activity))).collect();
        idle.retain(|(since, _)| *since <= latest);
        let count = (open.by_number.len() / CLOSED_PART).max(1);
        if idle.len() > count {
            idle.select_nth_unstable_by_key(count, |(since, _)| *since);
        }
        idle.into_iter().take(count).filter(|(since, activity)| activity.close(*since)).count()
    }
}

impl Activity {
    /// Marks the beginning of a request; `None` once the connection is being closed.
    fn work(self: &Arc<Self>) -> Option<InProgress> {
        let begun = self
            .state
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |state| (state != CLOSING).then_some(BUSY));
        begun.ok().map(|_| InProgress(Some(Arc::clone(self))))
    }

    /// Marks the connection as idle from now on.
    fn rest(&self) {
        let now = millis(self.begun.elapsed());
        assert!(now < CLOSING, "a server does not run for that long");
        self.state.store(now, Ordering::Release);
    }

    /// Notes whether bytes of an answer wait for the client. Such a connection is not idle.
    pub(super) fn set_writing(&self, is_writing: bool) {
        self.is_writing.store(is_writing, Ordering::Release);
    }

    fn idle_since(&self) -> Option<u64> {
        let state = self.state.load(Ordering::Acquire);
        (state < CLOSING && !self.is_writing.load(Ordering::Acquire)).then_some(state)
    }

    /// Closes the connection if it is still idle since then.
    fn close(&self, since: u64) -> bool {
        let is_closed =
            self.state.compare_exchange(since, CLOSING, Ordering::AcqRel, Ordering::Acquire).is_ok();
        if is_closed {
            self.close.cancel();
        }
        is_closed
    }

    /// Completes when the connection must close to make room.
    pub(super) async fn closing(&self) {
        self.close.cancelled().await;
    }
}

impl Place {
    /// The activity of the connection.
    pub(super) fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let removed = self.connections.open().by_number.remove(&self.number);
        assert!(removed.is_some(), "a connection is removed once");
    }
}

impl InProgress {
    /// Leaves the connection busy until it ends, because it now speaks another protocol.
    fn never_ends(mut self) {
        self.0 = None;
    }
}

impl Drop for InProgress {
    fn drop(&mut self) {
        if let Some(activity) = &self.0 {
            activity.rest();
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(CLOSING - 1)
}

/// The service of one connection, which notes its requests and tells handlers about the client.
#[derive(Clone)]
pub(super) struct Watched {
    service: TowerToHyperService<Router>,
    activity: Arc<Activity>,
    client: Client,
}

impl Watched {
    pub(super) fn new(service: TowerToHyperService<Router>, activity: Arc<Activity>, client: Client) -> Self {
        Self { service, activity, client }
    }
}

impl Service<Request<Incoming>> for Watched {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        // A request that meets the closing of its connection is not started, so the client can repeat it.
        let Some(in_progress) = self.activity.work() else { return Box::pin(pending()) };
        request.extensions_mut().insert(self.client.clone());
        let answer = self.service.call(request);
        Box::pin(async move {
            let response = answer.await?;
            if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                in_progress.never_ends();
                return Ok(response);
            }
            Ok(response.map(|body| {
                // The body is dropped once its last piece is handed to the connection.
                Body::new(body.map_frame(move |frame| {
                    let _ = &in_progress;
                    frame
                }))
            }))
        })
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::Semaphore;
    use tokio::time::sleep;

    use super::*;

    fn places(connections: &Connections, count: usize) -> Vec<Place> {
        let permits = Arc::new(Semaphore::new(count));
        let permit = || Arc::clone(&permits).try_acquire_owned().expect("a permit");
        (0..count).map(|_| connections.add(permit())).collect()
    }

    fn is_closing(place: &Place) -> bool {
        place.activity.close.is_cancelled()
    }

    #[tokio::test]
    async fn only_idle_connections_are_closed_and_the_longest_idle_first() {
        let connections = Connections::default();
        let mut open = places(&connections, 4);
        let request = open[0].activity.work().expect("it is open");
        open[1].activity.set_writing(true);
        assert_eq!(connections.close_idle(), 0, "none has been idle for long");
        sleep(IDLE_MIN + Duration::from_millis(50)).await;
        drop(open[2].activity.work());
        assert_eq!(connections.close_idle(), 1);
        assert_eq!(open.iter().map(is_closing).collect::<Vec<_>>(), [false, false, false, true]);
        assert!(open[3].activity.work().is_none(), "it takes no request any more");
        open.truncate(3);
        assert_eq!(connections.close_idle(), 0, "a request, an unread answer, and one just used");
        drop(request);
        open[1].activity.set_writing(false);
        sleep(IDLE_MIN + Duration::from_millis(50)).await;
        assert_eq!([(); 3].map(|()| connections.close_idle()), [1, 1, 1]);
        drop(open);
        assert!(connections.open().by_number.is_empty());
    }
}
