//! The files that Grafana reads at its start: its data source and its boards.

use std::path::Path;

use anyhow::Result;
use serde_json::json;
use tempfile::TempDir;

use super::boards;

/// The directory with these files for a Grafana in a container. Dropping it removes the files.
#[derive(Debug)]
pub struct Provisioned(TempDir);

impl Provisioned {
    /// Writes the files, for the boards of this repository and this Prometheus.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn new(prometheus: &str) -> Result<Self> {
        let directory = temporary()?;
        provision(directory.path(), prometheus)?;
        Ok(Self(directory))
    }

    /// The command that starts such a container, on the host's network, where Prometheus is.
    ///
    /// # Errors
    /// The directory of the boards does not exist.
    pub fn container(&self) -> Result<String> {
        let provisioning = self.0.path().join("provisioning");
        let (provisioning, boards) = (provisioning.display(), boards::directory()?);
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

/// Writes the files. JSON is YAML too.
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
            "options": {"path": boards::directory()?},
        }],
    });
    for (kind, content) in [("datasources", data_source), ("dashboards", boards)] {
        let place = directory.join("provisioning").join(kind);
        std::fs::create_dir_all(&place)?;
        std::fs::write(place.join("testbed.yaml"), content.to_string())?;
    }
    Ok(())
}
