//! Follows the log without waiting for the disk: events in memory are returned at once, and a worker fetches events
//! from files.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use allsource_engine::error::ReadError;
use allsource_engine::event::EventRef;
use allsource_engine::{Message, Position, Resident, Subscription};

use super::Error;
use super::workers::{Cancel, Workers};

/// What a worker returns: the subscription, with the next events prefetched, or the error.
type Fetched = Result<(Box<Subscription>, Result<(), ReadError>), Error>;
type Fetch = Pin<Box<dyn Future<Output = Fetched> + Send>>;

enum State {
    Here(Box<Subscription>),
    /// A worker has the subscription. Dropping the future tells the worker to end.
    Away(Fetch),
    Over,
}

/// A live, gapless sequence of events. Dropping it ends its work.
pub struct Following {
    workers: Workers,
    state: State,
    position: Option<Position>,
}

impl Following {
    pub(super) fn new(workers: Workers, subscription: Subscription) -> Self {
        let position = subscription.position();
        Self { workers, state: State::Here(Box::new(subscription)), position }
    }

    /// The position up to which every event was returned.
    pub fn position(&self) -> Option<Position> {
        self.position
    }

    /// Bytes of prefetched events.
    pub fn prefetched_bytes(&self) -> usize {
        match &self.state {
            State::Here(subscription) => subscription.prefetched_bytes(),
            State::Away(_) | State::Over => 0,
        }
    }

    /// Drops the prefetched events; they are fetched again when needed.
    pub fn release(&mut self) {
        if let State::Here(subscription) = &mut self.state {
            subscription.release();
        }
    }

    /// Takes back the event returned last; the next call returns it again.
    pub fn put_back(&mut self, event: EventRef) {
        if let State::Here(subscription) = &mut self.state {
            subscription.put_back(event);
            self.position = subscription.position();
        }
    }

    /// Waits for the next message; `None` once the store is closed. Dropping the future loses nothing.
    ///
    /// # Errors
    /// When the next events cannot be read.
    pub async fn next(&mut self) -> Option<Result<Message, Error>> {
        poll_fn(|context| self.poll_next(context)).await
    }

    /// The next message, if memory holds it.
    ///
    /// # Errors
    /// When the next events cannot be read.
    pub fn try_next(&mut self) -> Option<Result<Message, Error>> {
        let State::Here(subscription) = &mut self.state else { return None };
        let next = match subscription.try_next_in_memory() {
            Resident::Known(next) => next,
            Resident::NeedsFiles => None,
        };
        self.position = subscription.position();
        next.map(|message| message.map_err(Error::from))
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Message, Error>>> {
        loop {
            match &mut self.state {
                State::Over => return Poll::Ready(None),
                State::Here(subscription) => {
                    let next = ready!(subscription.poll_next_in_memory(context));
                    self.position = subscription.position();
                    match next {
                        Resident::Known(next) => {
                            return Poll::Ready(next.map(|message| message.map_err(Error::from)));
                        }
                        Resident::NeedsFiles => self.send_away(),
                    }
                }
                State::Away(fetch) => {
                    let fetched = ready!(fetch.as_mut().poll(context));
                    self.state = State::Over;
                    match fetched {
                        Err(error) => return Poll::Ready(Some(Err(error))),
                        Ok((subscription, outcome)) => {
                            self.state = State::Here(subscription);
                            if let Err(error) = outcome {
                                return Poll::Ready(Some(Err(error.into())));
                            }
                        }
                    }
                }
            }
        }
    }

    /// Lets a worker fetch the next events.
    fn send_away(&mut self) {
        let workers = self.workers.clone();
        match std::mem::replace(&mut self.state, State::Over) {
            State::Here(mut subscription) => {
                let fetch = async move {
                    let fetch = move |cancel: &Cancel| {
                        let outcome = subscription.read_ahead_until(&cancel.flag());
                        (subscription, outcome)
                    };
                    workers.run(fetch).await
                };
                self.state = State::Away(Box::pin(fetch));
            }
            other => self.state = other,
        }
    }
}
