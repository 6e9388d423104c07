//! What a client of a cloud is told.

use std::path::PathBuf;
use std::time::Duration;

use reqwest::Url;

use super::Profile;
use crate::plan::naming::CloudName;

/// How to reach a cloud.
#[derive(Clone, Debug)]
pub struct RestSettings {
    /// Its name.
    pub name: CloudName,
    /// `http` or `https`; `/api/v1/lb/<verb>` is appended to its path.
    pub endpoint: Url,
    /// Longest time for one call, and as long again to wait for its turn.
    pub request_timeout: Duration,
    /// Most calls in flight, at least 1.
    pub concurrency: usize,
    /// Most calls a second, evenly spaced; 0 sets no limit.
    pub requests_per_second: u32,
    /// Which API it has.
    pub profile: Profile,
    /// A file with a bearer token.
    pub token_file: Option<PathBuf>,
    /// A PEM file with the only certificate authorities to trust.
    pub ca_file: Option<PathBuf>,
    /// The header `User-Agent`.
    pub user_agent: String,
}
