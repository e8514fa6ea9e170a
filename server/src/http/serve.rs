//! Connections: accepted, given a limited time to say what they want, and ended in order.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use allsource_engine::Health;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::clock::ClockWatch;
use super::listeners::Listeners;
use super::patience::{Patient, WRITE_TIMEOUT};
use super::routes::router;
use super::socket::Socket;
use crate::app::{App, stopped};

type Connection = http1::UpgradeableConnection<TokioIo<Patient<Socket>>, TowerToHyperService<axum::Router>>;

/// How long a connection may take to send the head of a request, idle time between requests included.
const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(75);
/// How long requests in progress are waited for at the end.
const GRACE: Duration = Duration::from_secs(10);
/// How often the store is asked whether it does its work.
const HEALTH_INTERVAL: Duration = Duration::from_millis(500);
/// A pause after a failed accept, so that a lack of file descriptors does not become a busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves connections until `shutdown` is over, then lets requests finish and ends streams.
///
/// # Errors
/// When the listener cannot be used.
pub async fn serve(
    listeners: impl Into<Listeners>,
    app: Arc<App>,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let service = TowerToHyperService::new(router(Arc::clone(&app)));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEADER_READ_TIMEOUT).half_close(true);
    let mut listeners = listeners.into();
    tokio::spawn(watch_health(Arc::clone(&app), app.stopping()));
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            accepted = listeners.accept() => accepted,
        };
        match accepted {
            Ok((stream, place)) => {
                prepare(&stream);
                let socket = Socket::new(stream);
                let stream = TokioIo::new(Patient::new(socket.clone(), Some(place), WRITE_TIMEOUT));
                let connection = http.serve_connection(stream, service.clone()).with_upgrades();
                tokio::spawn(finish(connection, socket, app.stopping()));
            }
            Err(error) => {
                tracing::warn!(%error, "could not accept a connection");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listeners);
    app.stop();
    if timeout(GRACE, app.stopped()).await.is_err() {
        tracing::warn!("some connections did not end in time and were cut off");
    }
    Ok(())
}

/// Says in the log when the store stops to do all of its work, and when it does again.
async fn watch_health(app: Arc<App>, mut stopping: watch::Receiver<bool>) {
    let mut before = Health::Serving;
    let mut clock = ClockWatch::default();
    while timeout(HEALTH_INTERVAL, stopped(&mut stopping)).await.is_err() {
        clock.look(app.store().clock_behind());
        let health = app.store().health();
        if health != before {
            match &health {
                Health::Serving => tracing::info!("the store takes appends again"),
                Health::StorageFull { needed_bytes } => {
                    tracing::error!(
                        needed_bytes,
                        "the disk is full: appends are refused until there is room"
                    );
                }
                Health::Refusing(reason) => {
                    tracing::error!(%reason, "appends are refused until this has passed");
                }
                Health::Moved => {
                    tracing::warn!("the store's folder was moved; the store goes on in its new place");
                }
                Health::NotSealing(reason) => {
                    tracing::error!(%reason, "events cannot be sealed; appends go on until memory is full");
                }
                Health::Damaged(damages) => {
                    for damage in damages {
                        tracing::error!(
                            file = damage.file,
                            offset = damage.offset,
                            problem = damage.problem,
                            "damage"
                        );
                    }
                }
                Health::Fenced(reason) => {
                    tracing::error!(%reason, "the store takes no more appends until it is opened again");
                }
            }
            before = health;
        }
    }
}

/// Sees a connection to its end: its own, at once when the client has gone, or after the request in progress once the
/// server stops.
async fn finish(connection: Connection, socket: Socket, mut stopping: watch::Receiver<bool>) {
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = socket.gone() => {
            tracing::debug!("a client went away");
            return;
        }
        () = stopped(&mut stopping) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// Small answers leave at once.
fn prepare(stream: &TcpStream) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY was not set");
    }
}
