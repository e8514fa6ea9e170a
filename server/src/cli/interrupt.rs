//! Notices that the user interrupts a command, so that the command can report how far it got.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{SignalKind, signal};

use super::failure::Exit;

/// Whether the user has interrupted the command.
#[derive(Debug, Clone, Default)]
pub(super) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Watches for SIGINT and SIGTERM from now on; a second one ends the process at once.
    pub(super) fn watch() -> Self {
        let interrupt = Self::default();
        let noticed = interrupt.clone();
        std::thread::spawn(move || {
            let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
                return;
            };
            runtime.block_on(async {
                requested().await;
                noticed.0.store(true, Ordering::Relaxed);
                requested().await;
                std::process::exit(i32::from(Exit::Interrupted.code()));
            });
        });
        interrupt
    }

    pub(super) fn is_requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Completes when the process is asked to end, from this call on. The caller is inside a runtime.
pub(super) fn requested() -> impl Future<Output = ()> {
    let wait = |kind| {
        let signal = signal(kind);
        async move {
            match signal {
                Ok(mut signal) => drop(signal.recv().await),
                Err(_) => std::future::pending().await,
            }
        }
    };
    let (interrupted, terminated) = (wait(SignalKind::interrupt()), wait(SignalKind::terminate()));
    async move {
        tokio::select! {
            () = interrupted => {}
            () = terminated => {}
        }
    }
}
