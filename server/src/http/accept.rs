//! Accepts connections, and limits how long the head of a request may take to arrive.

use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::idle::{Activity, Watched};
use super::listeners::Listeners;
use super::patience::{Patient, WRITE_TIMEOUT};
use super::routes::router;
use super::socket::Socket;
use crate::app::App;
use crate::background::Member;

type Connection = http1::UpgradeableConnection<TokioIo<Patient<Socket>>, Watched>;

/// How long a connection may take to send the head of a request, including idle time between requests.
const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(75);
/// Most bytes that a connection buffers of what it reads, outside the budget; also the longest head of a request.
const READ_BUFFER_BYTES: usize = 32 << 10;
/// The pause after a failed accept, so that a lack of file descriptors does not cause a busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Accepts connections until `shutdown` completes, and then closes the listening sockets. Open connections are members
/// of [`App::requests`].
pub async fn accept(mut listeners: Listeners, app: &Arc<App>, shutdown: impl Future<Output = ()>) {
    let service = TowerToHyperService::new(router(Arc::clone(app)));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEADER_READ_TIMEOUT).half_close(true);
    http.max_buf_size(READ_BUFFER_BYTES);
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => return,
            accepted = listeners.accept() => accepted,
        };
        match accepted {
            Ok((stream, place)) => {
                prepare(&stream);
                let socket = Socket::new(stream);
                let activity = Arc::clone(place.activity());
                let service = Watched::new(service.clone(), Arc::clone(&activity), socket.client());
                let stream = TokioIo::new(Patient::new(socket.clone(), Some(place), WRITE_TIMEOUT));
                let connection = http.serve_connection(stream, service).with_upgrades();
                app.requests().spawn("connection", |member| finish(connection, socket, activity, member));
            }
            Err(error) => {
                tracing::warn!(%error, "could not accept a connection");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Drives a connection until it ends, the client has gone, its place is needed, or the server stops and the request in
/// progress is done.
async fn finish(connection: Connection, socket: Socket, activity: Arc<Activity>, member: Member) {
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = socket.gone() => {
            tracing::debug!("a client went away");
            return;
        }
        () = activity.closing() => {
            tracing::debug!("an idle connection was closed to make room");
            return;
        }
        () = member.stopping() => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                ended = &mut connection => ended,
                () = socket.gone() => return,
                () = activity.closing() => return,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// Sends small answers at once.
fn prepare(stream: &TcpStream) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "could not set TCP_NODELAY");
    }
}
