//! Closes a connection: both sides send a close frame, and the server's names the rule that the client broke.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message as Frame, WebSocket, close_code};
use tokio::time::timeout;
use tungstenite::Error;
use tungstenite::error::CapacityError;

/// How long to wait for the close frames.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a connection ends.
pub(super) enum End {
    /// The client has gone, or reads nothing.
    Gone,
    /// The client sent a close frame.
    Closed,
    /// The server closes, with this code and reason.
    Close(u16, String),
}

impl End {
    /// The end that a read error causes.
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
            // Reading sends the reply to the client's close frame, and waits for the reply to ours.
            while let Some(Ok(_)) = socket.recv().await {}
        };
        // A client that does not answer in time is cut off.
        let _ = timeout(FAREWELL_TIMEOUT, farewell).await;
    }
}
