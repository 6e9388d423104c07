//! The state on disk.

use std::path::{Path, PathBuf};

use anyhow::Context;

use super::inventory::Snapshot;

/// Reads the state; none if there is no file yet.
pub(super) async fn load(path: &Path) -> anyhow::Result<Option<Snapshot>> {
    let bytes = match tokio::fs::read(path).await {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("read {}", path.display())),
    };
    let snapshot = serde_json::from_slice(&bytes)
        .with_context(|| format!("{} is not a state of this program", path.display()))?;
    Ok(Some(snapshot))
}

/// Replaces the state: a reader of the file finds the old or the new one,
/// whole, whenever this process dies.
pub(super) async fn save(path: &Path, snapshot: &Snapshot) -> anyhow::Result<()> {
    let mut next = PathBuf::from(path);
    next.as_mut_os_string().push(".next");
    let bytes = serde_json::to_vec_pretty(snapshot).context("write the state as JSON")?;
    tokio::fs::write(&next, bytes)
        .await
        .with_context(|| format!("write {}", next.display()))?;
    tokio::fs::rename(&next, path)
        .await
        .with_context(|| format!("rename {} to {}", next.display(), path.display()))
}
