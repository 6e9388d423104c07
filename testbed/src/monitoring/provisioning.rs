//! What Grafana reads at its start: where Prometheus is, and where the boards are.

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::json;
use tempfile::TempDir;

use super::generated::repository;

/// What a Grafana in a container is given. Dropping it removes it.
#[derive(Debug)]
pub struct Provisioned(TempDir);

impl Provisioned {
    /// The boards of this repository, and this Prometheus.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn new(prometheus: &str) -> Result<Self> {
        let directory = temporary()?;
        provision(directory.path(), prometheus)?;
        Ok(Self(directory))
    }

    /// What starts one. On the host's network, where Prometheus is.
    ///
    /// # Errors
    /// The boards are not there.
    pub fn container(&self) -> Result<String> {
        let provisioning = self.0.path().join("provisioning");
        let (provisioning, boards) = (provisioning.display(), boards()?);
        let boards = boards.display();
        Ok(format!(
            "docker run --rm --network host -e GF_AUTH_ANONYMOUS_ENABLED=true \
             -v {provisioning}:/etc/grafana/provisioning:ro -v {boards}:{boards}:ro grafana/grafana"
        ))
    }
}

pub(super) fn temporary() -> Result<TempDir> {
    let mut builder = tempfile::Builder::new();
    Ok(builder.prefix("testbed-grafana-").tempdir()?)
}

fn boards() -> Result<PathBuf> {
    Ok(repository().join("dashboards").canonicalize()?)
}

/// The files that Grafana reads at its start. JSON is YAML too.
pub(super) fn provision(directory: &Path, prometheus: &str) -> Result<()> {
    let data_source = json!({
        "apiVersion": 1,
        "datasources": [{
            "name": "Prometheus", "type": "prometheus", "access": "proxy",
            "url": prometheus, "isDefault": true, "jsonData": {"timeInterval": "5s"},
        }],
    });
    let boards = json!({
        "apiVersion": 1,
        "providers": [{
            "name": "boards", "type": "file",
            "options": {"path": boards()?},
        }],
    });
    for (kind, content) in [("datasources", data_source), ("dashboards", boards)] {
        let place = directory.join("provisioning").join(kind);
        std::fs::create_dir_all(&place)?;
        std::fs::write(place.join("testbed.yaml"), content.to_string())?;
    }
    Ok(())
}
