//! SIGTERM and Ctrl-C: the first signal requests a shutdown in order, the second
//! signal ends the process at once.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::telemetry::logs;

/// Exit code after a second signal: 128 + SIGTERM, as a shell would report it.
const SECOND_SIGNAL_EXIT: i32 = 143;

/// The signals that stop the process.
pub struct Signals {
    requested: CancellationToken,
}

impl Signals {
    /// Installs the signal handlers. If that fails, the default action remains: a
    /// signal ends the process at once.
    pub fn new() -> Self {
        let requested = CancellationToken::new();
        let on_signal = requested.clone();
        tokio::spawn(async move {
            let signals = (
                signal(SignalKind::terminate()),
                signal(SignalKind::interrupt()),
            );
            let (Ok(mut terminate), Ok(mut interrupt)) = signals else {
                tracing::warn!(
                    "cannot install signal handlers; SIGTERM will stop the process without draining"
                );
                return;
            };
            next(&mut terminate, &mut interrupt).await;
            on_signal.cancel();
            next(&mut terminate, &mut interrupt).await;
            tracing::warn!("received a second signal; the process exits at once");
            logs::flush();
            std::process::exit(SECOND_SIGNAL_EXIT);
        });
        Self { requested }
    }

    /// Waits for the first signal.
    pub async fn shutdown_requested(&self) {
        self.requested.cancelled().await;
    }
}

impl Default for Signals {
    fn default() -> Self {
        Self::new()
    }
}

async fn next(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
