//! Which build this is.

use std::sync::LazyLock;

/// The package's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit it was built from, if `GIT_REVISION` was set for the build.
pub const REVISION: &str = match option_env!("GIT_REVISION") {
    Some(revision) => revision,
    None => "unknown",
};

/// What `--version` prints after the program's name.
pub fn description() -> &'static str {
    static DESCRIPTION: LazyLock<String> = LazyLock::new(|| format!("{VERSION} ({REVISION})"));
    &DESCRIPTION
}
