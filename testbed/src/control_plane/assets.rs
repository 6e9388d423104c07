//! Where the binaries of the control plane are.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

const INSTALL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/control-plane/install.sh");

/// The directory with `etcd` and `kube-apiserver`. The first call on a machine
/// that has neither builds them, which takes minutes and tells so on standard error.
///
/// # Errors
/// They are not there and cannot be built; the reason was printed on standard error.
pub(super) async fn find() -> Result<PathBuf> {
    let output = Command::new(INSTALL)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .output()
        .await
        .with_context(|| format!("running {INSTALL}"))?;
    ensure!(
        output.status.success(),
        "{INSTALL} ended with {}",
        output.status
    );
    let printed = String::from_utf8(output.stdout)?;
    Ok(PathBuf::from(printed.trim_end()))
}

/// The path of one binary in the directory.
///
/// # Errors
/// It is not there.
pub(super) fn binary(directory: &Path, name: &str) -> Result<PathBuf> {
    let path = directory.join(name);
    ensure!(path.is_file(), "no {name} in {}", directory.display());
    Ok(path)
}
