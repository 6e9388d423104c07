//! Ends the parts in order.

use std::time::Duration;

use tokio::time::timeout;

use super::{AppError, ComponentExit, Components};

/// The longest that writes under way may take after SIGTERM. One that a hanging
/// cloud does not answer is given up then: what it did is as unknown as after a
/// crash, and the next leader finds out; the Services of the other clouds need
/// a leader.
const DRAIN: Duration = Duration::from_secs(5);
/// The longest that the release of the Lease, and then the last Events, may take.
const FAREWELL: Duration = Duration::from_secs(3);

impl Components {
    /// A part ended although nobody asked it to.
    pub(super) fn early_end(
        &self,
        ended: Option<Result<ComponentExit, tokio::task::JoinError>>,
    ) -> AppError {
        match ended {
            Some(Ok(ComponentExit::Election(Err(error)))) => error.into(),
            Some(Ok(ComponentExit::Election(Ok(())))) => AppError::Part("election"),
            Some(Ok(ComponentExit::Controller)) => AppError::Part("controller"),
            Some(Ok(ComponentExit::Part(name))) => AppError::Part(name),
            Some(Err(_)) | None => AppError::Part("a task that panicked"),
        }
    }

    /// Ends in order: no new work; wait for the writes under way; give the
    /// Lease back; write the last Events.
    pub(super) async fn stop(&mut self) -> Result<(), AppError> {
        tracing::info!(
            "shutdown requested: no reconcile starts any more, waiting for the writes in flight"
        );
        self.stopping.cancel();
        let drained = self.until(|ended| matches!(ended, ComponentExit::Controller));
        match timeout(DRAIN, drained).await {
            Ok(ended) => ended?,
            Err(_) => self.give_up_writes().await,
        }
        self.release.cancel();
        let released = timeout(
            FAREWELL,
            self.until(|ended| matches!(ended, ComponentExit::Election(_))),
        )
        .await;
        match released {
            Ok(ended) => ended?,
            Err(_) => tracing::warn!(
                "the Lease was not released within {FAREWELL:?}; it will expire on its own"
            ),
        }
        if let Some(events) = &self.events
            && timeout(FAREWELL, events.flush()).await.is_err()
        {
            tracing::warn!("the last Events were not written within {FAREWELL:?}; they are lost");
        }
        Ok(())
    }

    /// Ends what still runs, and waits for it. Left to the end of the runtime,
    /// the controller may see the reconciles that it spawned end before it does,
    /// and kube-runtime panics then (seen after a leader was frozen).
    pub(super) async fn end(&mut self) {
        if timeout(FAREWELL, self.tasks.shutdown()).await.is_err() {
            tracing::warn!("a component did not end within {FAREWELL:?}");
        }
    }

    /// Ends the controller, and with it every call under way: nothing writes
    /// beside the next leader.
    async fn give_up_writes(&mut self) {
        tracing::warn!("writes were still in flight after {DRAIN:?}; they are aborted");
        if let Some(controller) = self.controller.take() {
            controller.abort();
        }
        while let Some(ended) = self.tasks.join_next().await {
            // Nothing else is ever aborted; or it came to its end just now.
            let is_over = match ended {
                Err(error) => error.is_cancelled(),
                Ok(ended) => matches!(ended, ComponentExit::Controller),
            };
            if is_over {
                return;
            }
        }
    }

    /// Waits for the end of one part; the end of another one is an error.
    async fn until(&mut self, wanted: impl Fn(&ComponentExit) -> bool) -> Result<(), AppError> {
        match self.tasks.join_next().await {
            Some(Ok(ComponentExit::Election(Err(error)))) => Err(error.into()),
            Some(Ok(ended)) if wanted(&ended) => Ok(()),
            ended => Err(self.early_end(ended)),
        }
    }
}
