//! Where connections come from, and how many there may be: fewer than descriptors, so that the store can always open
//! its files.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::Poll;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Descriptors that are kept for the store: this many, but never more than half of all.
const RESERVE: u64 = 4096;

/// Sockets that take connections together.
#[derive(Debug)]
pub struct Listeners {
    sockets: Vec<TcpListener>,
    places: Arc<Semaphore>,
    /// It was said in the log that connections wait.
    is_full: bool,
}

/// The place of an open connection.
pub(super) type Place = OwnedSemaphorePermit;

impl From<TcpListener> for Listeners {
    fn from(socket: TcpListener) -> Self {
        Self::from(vec![socket])
    }
}

impl From<Vec<TcpListener>> for Listeners {
    fn from(sockets: Vec<TcpListener>) -> Self {
        Self { sockets, places: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)), is_full: false }
    }
}

impl Listeners {
    /// The same, for a process that may have this many descriptors; `None`: any number.
    #[must_use]
    pub fn within(self, descriptors: Option<u64>) -> Self {
        let most = descriptors.map_or(u64::MAX, |all| all - RESERVE.min(all / 2));
        let most = usize::try_from(most).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Self { places: Arc::new(Semaphore::new(most)), ..self }
    }

    /// The next connection. When there are as many as there may be, it waits until one of them ends.
    pub(super) async fn accept(&mut self) -> io::Result<(TcpStream, Place)> {
        let place = match Arc::clone(&self.places).try_acquire_owned() {
            Ok(place) => {
                self.is_full = false;
                place
            }
            Err(_) => {
                if !std::mem::replace(&mut self.is_full, true) {
                    tracing::warn!(
                        "there are as many connections as the limit on open files allows; others wait until one ends"
                    );
                }
                Arc::clone(&self.places).acquire_owned().await.map_err(io::Error::other)?
            }
        };
        let stream = poll_fn(|context| {
            let mut accepted = self.sockets.iter().map(|socket| socket.poll_accept(context));
            accepted.find(Poll::is_ready).unwrap_or(Poll::Pending)
        });
        Ok((stream.await?.0, place))
    }
}
