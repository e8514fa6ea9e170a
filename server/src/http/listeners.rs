//! Accepts connections, and limits them to fewer than the descriptors of the process, so that the store can always
//! open its files.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::Poll;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Descriptors reserved for the store: this many, but at most half of all.
const RESERVE: u64 = 4096;

/// Listening sockets that share one limit on connections.
#[derive(Debug)]
pub struct Listeners {
    sockets: Vec<TcpListener>,
    permits: Arc<Semaphore>,
    /// Whether the log already says that connections wait.
    is_full: bool,
}

/// The permit of an open connection.
pub(super) type Permit = OwnedSemaphorePermit;

impl From<TcpListener> for Listeners {
    fn from(socket: TcpListener) -> Self {
        Self::from(vec![socket])
    }
}

impl From<Vec<TcpListener>> for Listeners {
    fn from(sockets: Vec<TcpListener>) -> Self {
        Self { sockets, permits: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)), is_full: false }
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

    /// The next connection. At the limit, it waits until an open connection ends.
    pub(super) async fn accept(&mut self) -> io::Result<(TcpStream, Permit)> {
        let permit = match Arc::clone(&self.permits).try_acquire_owned() {
            Ok(permit) => {
                self.is_full = false;
                permit
            }
            Err(_) => {
                if !std::mem::replace(&mut self.is_full, true) {
                    tracing::warn!(
                        "the number of connections has reached the limit on open files; further ones wait until one ends"
                    );
                }
                Arc::clone(&self.permits).acquire_owned().await.map_err(io::Error::other)?
            }
        };
        let stream = poll_fn(|context| {
            let mut accepted = self.sockets.iter().map(|socket| socket.poll_accept(context));
            accepted.find(Poll::is_ready).unwrap_or(Poll::Pending)
        });
        Ok((stream.await?.0, permit))
    }
}
