//! Prometheus' own judge of rules.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result};
use testbed::monitoring::prometheus;
use tokio::io::AsyncWriteExt;
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

/// What it has against the metrics in this text.
pub async fn complaints(metrics: &str) -> Result<String> {
    let program = prometheus::find().await?.join("promtool");
    let mut child = Command::new(&program)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| program.display().to_string())?;
    let mut input = child.stdin.take().context("its input")?;
    // It reads all before it says anything.
    input.write_all(metrics.as_bytes()).await?;
    drop(input);
    let output = child.wait_with_output().await?;
    let said = [output.stdout, output.stderr].concat();
    let mut said = String::from_utf8_lossy(&said).into_owned();
    if !output.status.success() && said.is_empty() {
        said = output.status.to_string();
    }
    Ok(said)
}
