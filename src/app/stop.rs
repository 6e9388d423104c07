//! Stops the components in order.

use std::time::Duration;

use tokio::time::timeout;

use super::{AppError, ComponentExit, Components};

/// Time limit for the writes in flight after SIGTERM. A write that a hanging cloud
/// does not answer is aborted then, because the Services of the other clouds need
/// a leader. Its outcome is unknown as after a crash; the next leader resolves it.
const DRAIN: Duration = Duration::from_secs(5);
/// Time limit for the release of the Lease.
const RELEASE_LIMIT: Duration = Duration::from_secs(3);
/// Time limit for the last Events. The next leader is at work by then, so only the end of
/// this process waits; with all other limits it is within the 30 s of the Deployment.
const EVENTS_LIMIT: Duration = Duration::from_secs(8);

impl Components {
    /// The error for a component that ended unexpectedly.
    pub(super) fn early_end(
        &self,
        ended: Option<Result<ComponentExit, tokio::task::JoinError>>,
    ) -> AppError {
        match ended {
            Some(Ok(ComponentExit::Election(Err(error)))) => error.into(),
            Some(Ok(ComponentExit::Election(Ok(())))) => AppError::ComponentEnded("election"),
            Some(Ok(ComponentExit::Controller)) => AppError::ComponentEnded("controller"),
            Some(Ok(ComponentExit::Other(name))) => AppError::ComponentEnded(name),
            Some(Err(_)) | None => AppError::ComponentEnded("a task that panicked"),
        }
    }

    /// Stops in order: start no new work; wait for the writes in flight; release
    /// the Lease; write the last Events.
    pub(super) async fn stop(&mut self) -> Result<(), AppError> {
        tracing::info!(
            "shutdown requested: no reconcile starts any more, waiting for the writes in flight"
        );
        self.stopping.cancel();
        let drained = self.until(|ended| matches!(ended, ComponentExit::Controller));
        match timeout(DRAIN, drained).await {
            Ok(ended) => ended?,
            Err(_) => self.abort_writes().await,
        }
        self.release.cancel();
        let released = timeout(
            RELEASE_LIMIT,
            self.until(|ended| matches!(ended, ComponentExit::Election(_))),
        )
        .await;
        match released {
            Ok(ended) => ended?,
            Err(_) => tracing::warn!(
                "the Lease was not released within {RELEASE_LIMIT:?}; it will expire on its own"
            ),
        }
        if let Some(events) = &self.events
            && timeout(EVENTS_LIMIT, events.flush()).await.is_err()
        {
            let number = events.abandon();
            tracing::warn!(
                number,
                "the last Events were not written within {EVENTS_LIMIT:?}; they are lost"
            );
        }
        Ok(())
    }

    /// Aborts the remaining components and waits for their end.
    pub(super) async fn end(&mut self) {
        if timeout(RELEASE_LIMIT, self.tasks.shutdown()).await.is_err() {
            tracing::warn!("a component did not end within {RELEASE_LIMIT:?}");
        }
    }

    /// Aborts the controller and with it every call in flight, so that no write
    /// overlaps with the next leader.
    async fn abort_writes(&mut self) {
        tracing::warn!("writes were still in flight after {DRAIN:?}; they are aborted");
        if let Some(controller) = self.controller.take() {
            controller.abort();
        }
        while let Some(ended) = self.tasks.join_next().await {
            // No other component is ever aborted; or the controller has just ended by itself.
            let is_over = match ended {
                Err(error) => error.is_cancelled(),
                Ok(ended) => matches!(ended, ComponentExit::Controller),
            };
            if is_over {
                return;
            }
        }
    }

    /// Waits for the end of one component; the end of another component is an error.
    async fn until(&mut self, wanted: impl Fn(&ComponentExit) -> bool) -> Result<(), AppError> {
        match self.tasks.join_next().await {
            Some(Ok(ComponentExit::Election(Err(error)))) => Err(error.into()),
            Some(Ok(ended)) if wanted(&ended) => Ok(()),
            ended => Err(self.early_end(ended)),
        }
    }
}
