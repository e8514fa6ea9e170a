//! Turns a connection into a WebSocket. Messages are sent in frames of limited size, because the frame codec copies
//! each one and keeps a buffer of the size of the largest.

use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{Frame, Utf8Bytes};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

/// The largest message of a client, in bytes: clients send only filters.
const RECEIVED_BYTES_MAX: usize = 16 << 10;
/// The buffer for reading from a client, in bytes.
const READ_BUFFER_BYTES: usize = 4 << 10;
/// The largest frame that the server sends, in bytes.
const SENT_BYTES_MAX: usize = 32 << 10;
/// A client that reads nothing of a frame for this long is gone.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);

/// A request to become a WebSocket.
pub(in crate::http::routes::stream) struct Upgrade {
    response: Response,
    upgrade: OnUpgrade,
}

/// The client has gone, or reads nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gone;

/// A connection that speaks the WebSocket protocol.
pub(super) struct Socket(WebSocketStream<TokioIo<Upgraded>>);

impl Upgrade {
    /// Checks the handshake of a request.
    ///
    /// # Errors
    /// What is missing of a handshake.
    pub(in crate::http::routes::stream) fn of(request: &mut Request) -> Result<Self, Error> {
        let response = create_response_with_body(request, Body::empty)?;
        Ok(Self { response, upgrade: hyper::upgrade::on(request) })
    }

    /// The answer that completes the handshake, and the socket to come.
    pub(super) fn into_parts(self) -> (Response, impl Future<Output = hyper::Result<Socket>> + Send) {
        let mut config = WebSocketConfig::default();
        config.max_message_size = Some(RECEIVED_BYTES_MAX);
        config.max_frame_size = Some(RECEIVED_BYTES_MAX);
        config.read_buffer_size = READ_BUFFER_BYTES;
        config.write_buffer_size = 0;
        let upgrade = self.upgrade;
        let socket = async move {
            let stream = TokioIo::new(upgrade.await?);
            Ok(Socket(WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await))
        };
        (self.response, socket)
    }
}

impl Socket {
    /// The next message of the client; `None` once the connection has ended. Dropping the future loses nothing.
    pub(super) async fn receive(&mut self) -> Option<Result<Message, Error>> {
        self.0.next().await
    }

    /// Sends a text message, in as many frames as it takes.
    pub(super) async fn send_text(&mut self, mut text: Bytes) -> Result<(), Gone> {
        debug_assert!(str::from_utf8(&text).is_ok(), "a text message is text");
        let mut code = Data::Text;
        loop {
            let payload = text.split_to(text.len().min(SENT_BYTES_MAX));
            let is_final = text.is_empty();
            self.send(Message::Frame(Frame::message(payload, OpCode::Data(code), is_final))).await?;
            if is_final {
                return Ok(());
            }
            code = Data::Continue;
        }
    }

    /// Sends one frame.
    pub(super) async fn send(&mut self, frame: Message) -> Result<(), Gone> {
        match timeout(SEND_TIMEOUT, self.0.send(frame)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Gone),
        }
    }
}

/// Text of at most this many bytes, for the reason in a close frame.
pub(super) fn shortened(mut text: String, most: usize) -> Utf8Bytes {
    text.truncate(text.floor_char_boundary(most));
    text.into()
}
