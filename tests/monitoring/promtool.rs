//! promtool, the tool of Prometheus that checks rules and metrics.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result};
use testbed::monitoring::prometheus;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// Runs promtool; returns whether it succeeded, and its output.
pub async fn run(directory: &Path, arguments: &[&str]) -> Result<(bool, String)> {
    let program = prometheus::find().await?.join("promtool");
    let output = Command::new(&program)
        .args(arguments)
        .current_dir(directory)
        .kill_on_drop(true)
        .output()
        .await
        .with_context(|| program.display().to_string())?;
    let printed = [output.stdout, output.stderr].concat();
    let printed = String::from_utf8_lossy(&printed).into_owned();
    Ok((output.status.success(), printed))
}

/// The problems that promtool finds in this text of metrics.
pub async fn problems(metrics: &str) -> Result<String> {
    let program = prometheus::find().await?.join("promtool");
    let mut child = Command::new(&program)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| program.display().to_string())?;
    let mut input = child.stdin.take().context("standard input")?;
    // promtool reads all of its input before it prints.
    input.write_all(metrics.as_bytes()).await?;
    drop(input);
    let output = child.wait_with_output().await?;
    let printed = [output.stdout, output.stderr].concat();
    let mut printed = String::from_utf8_lossy(&printed).into_owned();
    if !output.status.success() && printed.is_empty() {
        printed = output.status.to_string();
    }
    Ok(printed)
}
