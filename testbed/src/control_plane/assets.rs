//! Where the binaries of the control plane are.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

use crate::install;

/// The directory with `etcd` and `kube-apiserver`; see [`install::find`].
///
/// # Errors
/// They are not there and cannot be built.
pub(super) async fn find() -> Result<PathBuf> {
    install::find("control-plane").await
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
