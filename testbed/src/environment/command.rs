//! The program's commands that end by themselves.

use anyhow::{Result, ensure};
use tokio::process::Command;

use super::Environment;
use crate::replica::built_beside_us;

impl Environment {
    /// Runs a command of the program with this test's configuration, as its
    /// ServiceAccount; gives what it printed.
    ///
    /// # Errors
    /// It failed; the message has its standard error.
    pub async fn command(&self, arguments: &[&str]) -> Result<String> {
        let directory = tempfile::tempdir()?;
        let config = directory.path().join("config.yaml");
        std::fs::write(&config, self.config())?;
        let mut command = Command::new(built_beside_us()?);
        command.args(arguments);
        command.arg("--config").arg(&config);
        command.arg("--kubeconfig").arg(&self.kubeconfig);
        let output = command.kill_on_drop(true).output().await?;
        let complaint = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "{arguments:?} ended with {}: {complaint}",
            output.status
        );
        Ok(String::from_utf8(output.stdout)?)
    }
}
