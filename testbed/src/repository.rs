//! Files of the project that the testbed and its programs use as they are shipped.

use std::path::{Path, PathBuf};

/// Path of a file or directory of the repository that this crate was built in.
#[must_use]
pub fn repository_path(name: &str) -> PathBuf {
    let testbed = Path::new(env!("CARGO_MANIFEST_DIR"));
    testbed.parent().unwrap_or(testbed).join(name)
}
