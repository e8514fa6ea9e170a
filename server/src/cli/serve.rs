//! `allsource serve`: the server, from opening the store to closing it.

use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use allsource_engine::platform::raise_descriptor_limit;
use allsource_engine::{OpenError, Position};
use tokio::net::TcpListener;

use super::failure::{Failure, Outcome};
use super::{interrupt, log, terminal};
use crate::app::App;
use crate::config::{Config, Settings};
use crate::http::Listeners;
use crate::lifecycle;
use crate::store::Store;
use crate::system::System;

pub(super) const EXAMPLES: &str = "\
Examples:
  allsource serve
  allsource serve --data /var/lib/allsource --listen 127.0.0.1:8081
  allsource serve --listen 127.0.0.1:8080,[::1]:8080
  ALLSOURCE_LOG_LEVEL=debug allsource serve";

/// Serves until the process is asked to end.
pub(super) fn run(flags: Settings) -> Outcome {
    let variable = |name: &str| std::env::var(name).ok();
    let config = Config::resolve(flags, &variable).map_err(|error| Failure::new(error.to_string()))?;
    // Dropped last: dropping it waits until the last lines are written.
    let _log = log::start(&config)?;
    let descriptors = raise_descriptor_limit().unwrap_or_else(|error| {
        tracing::warn!(%error, "could not raise the limit on open files");
        None
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    // Bind first: a port in use must not cost the recovery of a large store.
    let sockets = runtime.block_on(bind(&config.listen))?;
    let store =
        Store::open(&config.data, config.options.clone()).map_err(|error| cannot_open(&config, &error))?;
    let _entered = runtime.enter();
    let requested = interrupt::requested();
    let events = store.watermark().map_or(0, Position::value);
    let addresses = sockets.iter().map(TcpListener::local_addr).collect::<Result<Vec<_>, _>>()?;
    let address = addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let listeners = Listeners::from(sockets).within(descriptors);
    tracing::info!(
        %address, data = %config.data.display(), events,
        durability = ?config.options.durability, "serving"
    );
    if store.partitions() != config.options.partitions {
        let (has, asked) = (store.partitions(), config.options.partitions);
        tracing::warn!(
            has,
            asked,
            "the number of partitions is fixed when a store is created: the setting is ignored"
        );
    }
    if terminal::is_watched() {
        terminal::complain(&welcome(&program(), &addresses, events == 0));
    }
    let app = App::new(store).with_memory(config.memory_bytes).with_state_history(config.state_history);
    let system = system(&config, &app);
    let app = Arc::new(app.with_system(system));
    runtime.block_on(lifecycle::run(listeners, Arc::clone(&app), requested));
    tracing::info!("closing the store");
    app.close();
    // Only blocking threads of readers that have gone are still running.
    runtime.shutdown_background();
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// Opens the system log. The events are served without it.
fn system(config: &Config, app: &App) -> Result<System, String> {
    let opened = System::open(&config.data, &config.options);
    let system = opened.map(|store| System::over(store, app.background())).map_err(|error| error.to_string());
    if let Err(problem) = &system {
        tracing::error!(%problem, "the system log cannot be opened; the events are served without it");
    }
    system
}

async fn bind(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, Failure> {
    let mut sockets = Vec::with_capacity(addresses.len());
    for address in addresses {
        sockets.push(TcpListener::bind(address).await.map_err(|error| cannot_listen(*address, &error))?);
    }
    Ok(sockets)
}

fn cannot_listen(address: SocketAddr, error: &io::Error) -> Failure {
    let failure = Failure::new(format!("cannot listen on {address}: {error}"));
    match error.kind() {
        io::ErrorKind::AddrInUse => failure
            .advise("another program is using this address; choose another one: --listen 127.0.0.1:8081"),
        io::ErrorKind::PermissionDenied => failure.advise("ports below 1024 need root; choose a higher one"),
        _ => failure,
    }
}

fn cannot_open(config: &Config, error: &OpenError) -> Failure {
    let data = config.data.display();
    let failure = Failure::new(format!("cannot open the store: {error}"));
    match error {
        OpenError::InUse(_) => failure.advise("another server has it open; stop that server, or choose another folder with --data"),
        OpenError::Damaged(_) => failure.advise(format!(
            "nothing was changed. `allsource verify {data}` lists all damage, and `allsource dump {data}` prints every \
            readable event; restore a backup, or import the dump into a new store"
        )),
        OpenError::Newer { .. } => failure.advise("a newer release wrote it; use that release"),
        OpenError::Unsupported { .. } => failure.advise(
            "stores of builds before 0.1.0 are not converted: export the events with that build and import them here",
        ),
        OpenError::NotAStore { .. } => failure.advise("choose a folder with --data that is empty or does not exist yet"),
        _ => failure,
    }
}

/// The name this program was called by, so that printed commands work in the same folder.
fn program() -> String {
    let called = std::env::args_os().next().map(|path| path.to_string_lossy().into_owned());
    called.filter(|path| !path.is_empty()).unwrap_or_else(|| "allsource".to_owned())
}

/// What a user who has just started the server may want to do next; every line works as printed.
fn welcome(program: &str, addresses: &[SocketAddr], is_empty: bool) -> String {
    let address = addresses.first().map_or_else(String::new, ToString::to_string);
    let url = format!("http://{address}");
    let here = if url == "http://127.0.0.1:8080" { String::new() } else { format!(" --url {url}") };
    let filling = if is_empty { "Append events of an invented business" } else { "Append more events" };
    format!(
        r#"
AllSource is serving {url}; Ctrl-C stops it. In another terminal:

  Append an event and read it back:
    curl -X POST {url}/api/v1/events -H 'Content-Type: application/json' \
      -d '{{"entity_id":"user-1","event_type":"user.created","payload":{{"name":"Ada"}}}}'
    curl '{url}/api/v1/events/query?entity_id=user-1'
    curl {url}/api/v1/entities/user-1/state

  {filling}, follow the log, and import a file:
    {program} demo --events 10000{here}
    {program} tail --from beginning{here}
    {program} demo --events 1000 --seed 2 --print > events.ndjson
    {program} import events.ndjson{here}

  Documentation: docs/guide.md, docs/operating.md and {program} --help
"#
    )
}
