//! Programs that are not ours: found on the machine, or got once.

use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

/// Where the programs of a directory's `install.sh` are. The first call on a
/// machine that lacks them gets them, which may take minutes and reports it on
/// standard error.
///
/// # Errors
/// They cannot be had; the reason was printed on standard error.
pub(crate) async fn find(directory: &str) -> Result<PathBuf> {
    let script = format!("{}/{directory}/install.sh", env!("CARGO_MANIFEST_DIR"));
    let output = Command::new(&script)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .output()
        .await
        .with_context(|| format!("running {script}"))?;
    let status = output.status;
    ensure!(status.success(), "{script} ended with {status}");
    let printed = String::from_utf8(output.stdout)?;
    Ok(PathBuf::from(printed.trim_end()))
}
