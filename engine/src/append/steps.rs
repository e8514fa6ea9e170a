//! The steps of an append before it is enqueued. Each has its own type, so a batch cannot skip its look-ups.

use std::fmt;

use super::{Answer, Request};
use crate::error::AppendError;
use crate::view::Layers;

type Receiver = oneshot::Receiver<Answer>;

/// A batch that is checked and encoded, before its look-ups in sealed files.
#[must_use = "a prepared batch is not appended until it is enqueued"]
pub struct Prepared {
    request: Request,
    receiver: Receiver,
}

/// A batch that is ready to be enqueued.
#[must_use = "a batch is not appended until it is enqueued"]
pub struct Ready {
    request: Request,
    receiver: Receiver,
}

/// The result of a look-up in memory.
#[derive(Debug)]
pub enum LookUp {
    /// Memory held everything.
    Ready(Ready),
    /// Sealed files have to be read.
    NeedsFiles(Prepared),
}

impl Prepared {
    pub(crate) fn new(request: Request, receiver: Receiver) -> Self {
        assert!(!request.parts.is_empty(), "an empty batch is refused earlier");
        Self { request, receiver }
    }

    pub(crate) fn look_up_in_memory(mut self, layers: &Layers) -> LookUp {
        match self.request.look_up_in_memory(layers) {
            true => LookUp::Ready(self.into_ready()),
            false => LookUp::NeedsFiles(self),
        }
    }

    pub(crate) fn look_up(mut self, layers: &Layers) -> Result<Ready, AppendError> {
        self.request.look_up(layers)?;
        Ok(self.into_ready())
    }

    fn into_ready(self) -> Ready {
        Ready { request: self.request, receiver: self.receiver }
    }
}

impl Ready {
    pub(crate) fn into_parts(self) -> (Request, Receiver) {
        (self.request, self.receiver)
    }
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Prepared")
    }
}

impl fmt::Debug for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ready")
    }
}
