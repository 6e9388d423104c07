//! The version and revision of this build.

use std::sync::LazyLock;

pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit of the build, if `GIT_REVISION` was set for the build.
pub const REVISION: &str = match option_env!("GIT_REVISION") {
    Some(revision) => revision,
    None => "unknown",
};

/// The version and revision as `--version` prints them.
pub fn description() -> &'static str {
    static DESCRIPTION: LazyLock<String> = LazyLock::new(|| format!("{VERSION} ({REVISION})"));
    &DESCRIPTION
}
