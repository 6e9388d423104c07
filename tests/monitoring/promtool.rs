//! Prometheus' own judge of rules.

use std::path::Path;

use anyhow::{Context, Result};
use testbed::monitoring::prometheus;
use tokio::process::Command;

/// Whether it is content, and what it says.
pub async fn run(directory: &Path, arguments: &[&str]) -> Result<(bool, String)> {
    let program = prometheus::find().await?.join("promtool");
    let output = Command::new(&program)
        .args(arguments)
        .current_dir(directory)
        .kill_on_drop(true)
        .output()
        .await
        .with_context(|| program.display().to_string())?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    Ok((output.status.success(), said))
}
