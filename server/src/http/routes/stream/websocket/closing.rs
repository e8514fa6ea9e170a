//! How a connection ends: both sides say so, and the one that broke a rule is told which.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message as Frame, WebSocket, close_code};
use tokio::time::timeout;
use tungstenite::Error;
use tungstenite::error::CapacityError;

/// How long the last words of either side are waited for.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a connection ends.
pub(super) enum End {
    /// The client went away, or takes nothing.
    Gone,
    /// The client said that it ends.
    Closed,
    /// With these words to the client.
    Close(u16, String),
}

impl End {
    /// Why nothing more can be read from a client.
    pub(super) fn of(error: axum::Error) -> Self {
        let Ok(error) = error.into_inner().downcast::<Error>() else { return Self::Gone };
        let code = match &*error {
            Error::Protocol(_) | Error::AttackAttempt => close_code::PROTOCOL,
            Error::Utf8(_) => close_code::INVALID,
            Error::Capacity(CapacityError::MessageTooLong { .. }) => close_code::SIZE,
            _ => return Self::Gone,
        };
        let mut reason = error.to_string();
        // A close frame has room for 123 bytes.
        reason.truncate(reason.floor_char_boundary(120));
        Self::Close(code, reason)
    }

    /// Ends the connection.
    pub(super) async fn say(self, mut socket: WebSocket) {
        let farewell = async {
            if let Self::Close(code, reason) = self {
                let frame = CloseFrame { code, reason: reason.into() };
                if socket.send(Frame::Close(Some(frame))).await.is_err() {
                    return;
                }
            }
            // Reading sends the answer to a close frame, and waits for the answer to ours.
            while let Some(Ok(_)) = socket.recv().await {}
        };
        // A client that is gone hears nothing; one that does not answer is not waited for.
        let _ = timeout(FAREWELL_TIMEOUT, farewell).await;
    }
}
