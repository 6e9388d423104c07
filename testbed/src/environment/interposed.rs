//! A test whose replicas write through an interposer.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use tempfile::TempDir;

use super::Environment;
use crate::interposer::{Front, Interposer};

/// What the replicas get instead of the real addresses.
pub(super) struct Interposed {
    pub(super) cloud1: Front,
    pub(super) cloud2: Front,
    pub(super) kubeconfig: PathBuf,
    _api_server: Front,
    _directory: TempDir,
}

impl Environment {
    /// Puts an interposer before the clouds and kube-apiserver, for the
    /// replicas that are started from now on.
    ///
    /// # Errors
    /// No port is free.
    pub async fn interpose(&mut self) -> Result<Arc<Interposer>> {
        let interposer = Interposer::new();
        let directory = tempfile::tempdir()?;
        let fronts =
            interposer.before_api_server(&self.kubeconfig, self.client(), directory.path());
        let (api_server, kubeconfig) = fronts.await?;
        self.interposed = Some(Interposed {
            cloud1: interposer.before_cloud(&self.cloud1.endpoint()).await?,
            cloud2: interposer.before_cloud(&self.cloud2.endpoint()).await?,
            kubeconfig,
            _api_server: api_server,
            _directory: directory,
        });
        Ok(interposer)
    }
}
