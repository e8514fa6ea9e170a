//! Breaks off a connection whose client reads nothing for too long, so that its answer is not held for ever.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::idle::Place;

/// How long a client may read nothing of its answer.
pub(super) const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// After this many bytes the other connections of the thread have their turn.
const TURN_BYTES: usize = 256 << 10;

/// A stream with a limit on how long a write may wait, and on how much is written before others have their turn.
pub(super) struct Patient<S> {
    stream: S,
    /// Released when the connection ends, upgraded or not.
    place: Option<Place>,
    limit: Duration,
    /// Runs while a write waits.
    deadline: Pin<Box<Sleep>>,
    is_waiting: bool,
    /// Bytes written in this turn.
    written: usize,
}

impl<S> Patient<S> {
    pub(super) fn new(stream: S, place: Option<Place>, limit: Duration) -> Self {
        let deadline = Box::pin(sleep_until(Instant::now() + limit));
        Self { stream, place, limit, deadline, is_waiting: false, written: 0 }
    }

    fn note_waiting(&self) {
        if let Some(place) = &self.place {
            place.activity().set_writing(self.is_waiting);
        }
    }

    /// Ends the turn once enough was written; the runtime comes back after it has served the others.
    fn poll_turn(&mut self, context: &Context<'_>) -> Poll<()> {
        if self.written < TURN_BYTES {
            return Poll::Ready(());
        }
        self.written = 0;
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// Counts what was written, and breaks off a write that has waited too long.
    fn count(
        &mut self,
        outcome: Poll<io::Result<usize>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        match &outcome {
            Poll::Ready(Ok(bytes)) => self.written += bytes,
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.written = 0,
        }
        self.wait(outcome, context)
    }

    /// Breaks off a write that has waited too long.
    fn wait<T>(&mut self, outcome: Poll<io::Result<T>>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            if std::mem::take(&mut self.is_waiting) {
                self.note_waiting();
            }
            return outcome;
        }
        if !std::mem::replace(&mut self.is_waiting, true) {
            self.note_waiting();
            let deadline = Instant::now() + self.limit;
            self.deadline.as_mut().reset(deadline);
        }
        ready!(self.deadline.as_mut().poll(context));
        let problem = "the client read nothing for too long";
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, problem)))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_turn(context));
        let outcome = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.count(outcome, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_turn(context));
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(context, pieces);
        self.count(outcome, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_flush(context);
        self.wait(outcome, context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    fn run(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(test);
    }

    #[test]
    fn a_client_that_takes_nothing_is_broken_off_and_a_slow_one_is_not() {
        run(async {
            let limit = Duration::from_millis(200);
            let (near, _far) = duplex(16);
            let error = Patient::new(near, None, limit)
                .write_all(&[0; 64])
                .await
                .expect_err("the client does not read");
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
            let (near, mut far) = duplex(16);
            let writing = tokio::spawn(async move {
                let mut patient = Patient::new(near, None, limit);
                patient.write_all(&[0; 256]).await
            });
            let mut taken = [0; 16];
            for _ in 0..16 {
                tokio::time::sleep(limit / 8).await;
                far.read_exact(&mut taken).await.expect("bytes");
            }
            writing.await.expect("no panic").expect("a slow client gets all of it");
        });
    }

    #[test]
    fn a_client_that_takes_everything_at_once_lets_others_have_their_turn() {
        run(async {
            let mut writing = std::pin::pin!(async {
                let mut patient = Patient::new(tokio::io::sink(), None, WRITE_TIMEOUT);
                for _ in 0..64 {
                    patient.write_all(&[0; TURN_BYTES]).await.expect("a sink takes everything");
                }
            });
            let mut turns = 0;
            std::future::poll_fn(|context| {
                turns += 1;
                writing.as_mut().poll(context)
            })
            .await;
            assert_eq!(turns, 64, "the others have their turn after each piece");
        });
    }
}
