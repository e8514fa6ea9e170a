//! Accepts connections, limits how long a request may take to arrive, and shuts down in order.

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

/// How long a connection may take to send the head of a request, including idle time between requests.
const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(75);
/// How long to wait for requests in progress at shutdown.
const GRACE: Duration = Duration::from_secs(10);
/// How often to check the health of the store.
const HEALTH_INTERVAL: Duration = Duration::from_millis(500);
/// The pause after a failed accept, so that a lack of file descriptors does not cause a busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves connections until `shutdown` completes, then lets requests finish and ends streams.
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
            Ok((stream, permit)) => {
                prepare(&stream);
                let socket = Socket::new(stream);
                let stream = TokioIo::new(Patient::new(socket.clone(), Some(permit), WRITE_TIMEOUT));
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

/// Logs changes in the health of the store.
async fn watch_health(app: Arc<App>, mut stopping: watch::Receiver<bool>) {
    let mut before = Health::Serving;
    let mut clock = ClockWatch::default();
    while timeout(HEALTH_INTERVAL, stopped(&mut stopping)).await.is_err() {
        clock.look(app.store().clock_behind());
        let health = app.store().health();
        if health != before {
            match &health {
                Health::Serving => tracing::info!("the store accepts appends again"),
                Health::StorageFull { needed_bytes } => {
                    tracing::error!(
                        needed_bytes,
                        "the disk is full: appends are refused until there is room"
                    );
                }
                Health::Refusing(reason) => {
                    tracing::error!(%reason, "appends are refused until this is resolved");
                }
                Health::Moved => {
                    tracing::warn!("the store's folder was moved; the store continues in its new place");
                }
                Health::NotSealing(reason) => {
                    tracing::error!(%reason, "events cannot be sealed; appends continue until memory is full");
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
                    tracing::error!(%reason, "the store refuses appends until it is reopened");
                }
            }
            before = health;
        }
    }
}

/// Drives a connection until it ends, the client has gone, or the server stops and the request in progress is done.
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

/// Sends small answers at once.
fn prepare(stream: &TcpStream) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "could not set TCP_NODELAY");
    }
}
