//! The settings of the client of one cloud.

use std::path::PathBuf;
use std::time::Duration;

use reqwest::Url;

use super::{AddressPolicy, Profile};
use crate::plan::naming::CloudName;

/// One cloud: an API endpoint and an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestSettings {
    /// The name in the annotation `provider`: a DNS label.
    pub name: CloudName,
    /// `http` or `https`; `/api/v1/lb/<verb>` is appended to its path. Default
    /// `http://NAME-api:8080`.
    pub endpoint: Url,
    /// Time limit for one call, and again for the wait for its slot: 100 ms to 10 min.
    /// Default 30 s.
    pub request_timeout: Duration,
    /// Maximum number of calls in flight: 1 to 1000. Default 16.
    pub concurrency: usize,
    /// Maximum number of calls in a second, evenly spaced: 0 (no limit, the default) to
    /// 100,000.
    pub requests_per_second: u32,
    pub profile: Profile,
    /// The addresses that its load balancers may have. By default all but those that no
    /// load balancer can have.
    pub addresses: AddressPolicy,
    /// A file with a bearer token.
    pub token_file: Option<PathBuf>,
    /// A PEM file with the only certificate authorities to trust.
    pub ca_file: Option<PathBuf>,
}
