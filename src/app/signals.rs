//! SIGTERM and Ctrl-C: the first asks for an orderly end, the second ends at once.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Exit code after a second signal: 128 + SIGTERM, as a shell would report it.
const AT_ONCE: i32 = 143;

/// Listens for the signals that end the process.
pub struct Signals {
    asked: CancellationToken,
}

impl Signals {
    /// Starts to listen. A system that does not let us listen leaves its
    /// default: the signal ends the process.
    pub fn new() -> Self {
        let asked = CancellationToken::new();
        let on_signal = asked.clone();
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
            std::process::exit(AT_ONCE);
        });
        Self { asked }
    }

    /// Waits for the first signal.
    pub async fn shutdown_requested(&self) {
        self.asked.cancelled().await;
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
