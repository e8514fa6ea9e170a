//! Accepts connections, and limits them to fewer than the descriptors of the process, so that the store can always
//! open its files.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use super::idle::{Connections, Place};

/// Descriptors reserved for the store: this many, but at most half of all.
const RESERVE: u64 = 4096;

/// How often to look for idle connections while a client waits for a place.
const ROOM_INTERVAL: Duration = Duration::from_millis(50);

/// A shortage of connections is over once none has met the limit for this long.
const ROOM_AGAIN: Duration = Duration::from_secs(60);

/// Listening sockets that share one limit on connections.
#[derive(Debug)]
pub struct Listeners {
    sockets: Vec<TcpListener>,
    permits: Arc<Semaphore>,
    connections: Connections,
    shortage: Shortage,
}

/// A time in which connections meet the limit again and again, so that the log reports it once.
#[derive(Debug, Default)]
struct Shortage {
    /// When a connection last met the limit.
    last_met: Option<Instant>,
}

impl Shortage {
    /// Notes that a connection meets the limit; returns whether a shortage begins with it.
    fn meets_limit(&mut self, now: Instant) -> bool {
        let before = self.last_met.replace(now);
        before.is_none_or(|before| now.duration_since(before) >= ROOM_AGAIN)
    }
}

impl From<TcpListener> for Listeners {
    fn from(socket: TcpListener) -> Self {
        Self::from(vec![socket])
    }
}

impl From<Vec<TcpListener>> for Listeners {
    fn from(sockets: Vec<TcpListener>) -> Self {
        let permits = Arc::new(Semaphore::new(Semaphore::MAX_PERMITS));
        Self { sockets, permits, connections: Connections::default(), shortage: Shortage::default() }
    }
}

impl Listeners {
    /// Limits connections for a process with this many descriptors; `None` means no limit.
    #[must_use]
    pub fn within(self, descriptors: Option<u64>) -> Self {
        let most = descriptors.map_or(u64::MAX, |all| all - RESERVE.min(all / 2));
        let most = usize::try_from(most).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Self { permits: Arc::new(Semaphore::new(most)), ..self }
    }

    /// The next connection. At the limit, it takes the place of an idle one, or waits until one ends.
    pub(super) async fn accept(&mut self) -> io::Result<(TcpStream, Place)> {
        let stream = poll_fn(|context| {
            let mut accepted = self.sockets.iter().map(|socket| socket.poll_accept(context));
            accepted.find(Poll::is_ready).unwrap_or(Poll::Pending)
        });
        let stream = stream.await?.0;
        let permit = self.permit().await?;
        Ok((stream, self.connections.add(permit)))
    }

    /// The permit of one more connection.
    async fn permit(&mut self) -> io::Result<OwnedSemaphorePermit> {
        if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
            return Ok(permit);
        }
        if self.shortage.meets_limit(Instant::now()) {
            tracing::warn!(
                "the number of connections has reached the limit on open files; further ones take the places of idle ones, or wait until one ends"
            );
        }
        loop {
            let closed = self.connections.close_idle();
            tracing::debug!(closed, "idle connections were closed to make room");
            let permit = Arc::clone(&self.permits).acquire_owned();
            if let Ok(permit) = timeout(ROOM_INTERVAL, permit).await {
                return permit.map_err(io::Error::other);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shortage_that_comes_and_goes_is_reported_once() {
        let (mut shortage, begun) = (Shortage::default(), Instant::now());
        let mut meets = |seconds| shortage.meets_limit(begun + Duration::from_secs(seconds));
        assert_eq!([0, 0, 1, 50, 109].map(&mut meets), [true, false, false, false, false]);
        assert_eq!([169, 170].map(&mut meets), [true, false]);
    }
}
