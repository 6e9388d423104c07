//! The boards of this repository, as Grafana reads them: `dashboards/*.json`.

use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::Value;

/// The names of the boards, in reading order.
pub const BOARDS: [&str; 3] = ["overview", "clouds", "internals"];

/// The directory of the boards.
///
/// # Errors
/// The directory does not exist.
pub fn directory() -> Result<PathBuf> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../dashboards");
    PathBuf::from(path).canonicalize().context(path)
}

/// The JSON of a board.
///
/// # Errors
/// The file of that board does not exist, or is not JSON.
pub fn read(name: &str) -> Result<Value> {
    let path = directory()?.join(format!("{name}.json"));
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    serde_json::from_str(&text).with_context(|| path.display().to_string())
}
