//! Closes a connection: both sides send a close frame, and the server's names the rule that the client broke.

use std::time::Duration;

use tokio::time::timeout;
use tokio_tungstenite::tungstenite::error::CapacityError;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::upgrade::{Gone, Socket, shortened};

/// How long to wait for the close frames.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(5);
/// Room for the reason in a close frame, in bytes.
const REASON_BYTES_MAX: usize = 120;

/// Why a connection ends.
pub(super) enum End {
    /// The client has gone, or reads nothing.
    Gone,
    /// The client sent a close frame.
    Closed,
    /// The server closes, with this code and reason.
    Close(CloseCode, String),
}

impl From<Gone> for End {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

impl End {
    /// The end that a read error causes.
    pub(super) fn of(error: &Error) -> Self {
        let code = match error {
            Error::Protocol(_) | Error::AttackAttempt => CloseCode::Protocol,
            Error::Utf8(_) => CloseCode::Invalid,
            Error::Capacity(CapacityError::MessageTooLong { .. }) => CloseCode::Size,
            _ => return Self::Gone,
        };
        Self::Close(code, error.to_string())
    }

    /// Ends the connection.
    pub(super) async fn say(self, mut socket: Socket) {
        let farewell = async {
            if let Self::Close(code, reason) = self {
                let frame = CloseFrame { code, reason: shortened(reason, REASON_BYTES_MAX) };
                if socket.send(Message::Close(Some(frame))).await.is_err() {
                    return;
                }
            }
            // Reading sends the reply to the client's close frame, and waits for the reply to ours.
            while let Some(Ok(_)) = socket.receive().await {}
        };
        // A client that does not answer in time is cut off.
        let _ = timeout(FAREWELL_TIMEOUT, farewell).await;
    }
}
