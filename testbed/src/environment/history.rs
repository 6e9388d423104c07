//! What a Service looked like in between.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt;
use kube::api::{WatchEvent, WatchParams};
use parking_lot::Mutex;
use tokio::task::JoinHandle;

use super::{Environment, SOON};
use crate::eventually;

/// Every state of a Service from some moment on, as a watch shows it.
pub struct History {
    states: Arc<Mutex<Vec<Service>>>,
    task: JoinHandle<Result<()>>,
}

impl History {
    /// From this state on.
    ///
    /// # Errors
    /// kube-apiserver does not watch.
    pub async fn since(test: &Environment, service: &Service) -> Result<Self> {
        let version = service.resource_version().context("a version")?;
        let only = WatchParams::default().fields(&format!("metadata.name={}", service.name_any()));
        let stream = test.services().watch(&only, &version).await?;
        let states = Arc::new(Mutex::new(vec![service.clone()]));
        let seen = states.clone();
        let task = tokio::spawn(async move {
            let mut stream = stream.boxed();
            while let Some(event) = stream.try_next().await? {
                if let WatchEvent::Modified(service) = event {
                    seen.lock().push(service);
                }
            }
            Ok(())
        });
        Ok(Self { states, task })
    }

    /// All states until this one.
    ///
    /// # Errors
    /// The watch ended before, or did not show it within [`SOON`].
    pub async fn until(self, last: &Service) -> Result<Vec<Service>> {
        let version = last.resource_version();
        let states = eventually("the watch to show the last state", SOON, async || {
            ensure!(!self.task.is_finished(), "the watch ended");
            let states = self.states.lock();
            let end = states
                .iter()
                .position(|state| state.resource_version() == version);
            Ok(end.map(|end| states[..=end].to_vec()))
        });
        let states = states.await;
        self.task.abort();
        states
    }
}
