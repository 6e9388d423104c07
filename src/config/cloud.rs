//! One cloud of the configuration.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::Url;

use super::document::Node;
use super::mistake::{Mistakes, quote};
use super::rules;
use super::section::Section;
use crate::cloud::Profile;
use crate::plan::naming::CloudName;

const FIELDS: [&str; 8] = [
    "name",
    "endpoint",
    "requestTimeout",
    "concurrency",
    "requestsPerSecond",
    "profile",
    "tokenFile",
    "caFile",
];
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
const REQUEST_TIMEOUT_RANGE: RangeInclusive<Duration> =
    Duration::from_millis(100)..=Duration::from_secs(600);
const CONCURRENCY: u32 = 16;
const PROFILES: [(&str, Profile); 2] = [("standard", Profile::Standard), ("seed", Profile::Seed)];

/// One cloud: an API endpoint and an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloudConfig {
    /// What the annotation `provider` calls it: a DNS label.
    pub name: CloudName,
    /// Base URL, http or https. Default `http://NAME-api:8080`.
    pub endpoint: Url,
    /// Longest wait for one answer: 100 ms to 10 min. Default 30 s.
    pub request_timeout: Duration,
    /// Calls under way at once: 1 to 1000. Default 16.
    pub concurrency: usize,
    /// Calls per second: 0 (no limit of our own, the default) to 100,000.
    pub requests_per_second: u32,
    /// Which API it speaks. Default standard.
    pub profile: Profile,
    /// File with the bearer token; it could be read at start.
    pub token_file: Option<PathBuf>,
    /// File with the certificate authority (PEM); it could be read at start.
    pub ca_file: Option<PathBuf>,
}

impl CloudConfig {
    /// A cloud of which only the name is known.
    fn named(name: &str) -> Option<Self> {
        Some(Self {
            name: CloudName::new(name),
            endpoint: Url::parse(&format!("http://{name}-api:8080")).ok()?,
            request_timeout: REQUEST_TIMEOUT,
            concurrency: CONCURRENCY as usize,
            requests_per_second: 0,
            profile: Profile::Standard,
            token_file: None,
            ca_file: None,
        })
    }
}

/// The clouds when the file names none: cloud1 and cloud2.
pub(super) fn defaults() -> Vec<CloudConfig> {
    ["cloud1", "cloud2"]
        .into_iter()
        .filter_map(CloudConfig::named)
        .collect()
}

/// The clouds of the list. One with a mistake is left out, and the mistake noted.
pub(super) fn read(file: &str, nodes: &[Node], mistakes: &mut Mistakes) -> Vec<CloudConfig> {
    let mut clouds = Vec::new();
    let mut names = BTreeMap::new();
    let mut accounts = BTreeMap::new();
    for (index, node) in nodes.iter().enumerate() {
        let path = format!("clouds[{index}]");
        let before = mistakes.len();
        let Some(section) = Section::open(file, &path, node, &FIELDS, mistakes) else {
            continue;
        };
        let Some(cloud) = read_one(&section, mistakes) else {
            continue;
        };
        if let Some(first) = names.insert(cloud.name.clone(), index) {
            let rule = format!("it must differ from clouds[{first}].name");
            mistakes.add(section.place("name"), quote(cloud.name.as_str()), rule);
        }
        // Load balancers are told apart by cluster and Service only, so two
        // clouds of one account would change and delete each other's. Defaults
        // that stand in for what was wrong prove nothing.
        let account = (cloud.endpoint.clone(), cloud.token_file.clone());
        if mistakes.len() == before
            && let Some(first) = accounts.insert(account, index)
        {
            let rule = format!(
                "it must differ from clouds[{first}].endpoint, unless each has its own tokenFile"
            );
            mistakes.add(
                section.place("endpoint"),
                quote(cloud.endpoint.as_str()),
                rule,
            );
        }
        clouds.push(cloud);
    }
    clouds
}

fn read_one(section: &Section<'_>, mistakes: &mut Mistakes) -> Option<CloudConfig> {
    let before = mistakes.len();
    let name = section.read("name", rules::dns_label, mistakes);
    if name.is_none() && mistakes.len() == before {
        mistakes.add(section.place("name"), "nothing", "every cloud needs a name");
    }
    let endpoint = section.read("endpoint", rules::endpoint, mistakes);
    let request_timeout = section.read(
        "requestTimeout",
        rules::duration_in(REQUEST_TIMEOUT_RANGE),
        mistakes,
    );
    let concurrency = section.read("concurrency", rules::number_in(1..=1000), mistakes);
    let requests_per_second =
        section.read("requestsPerSecond", rules::number_in(0..=100_000), mistakes);
    let profile = section.read("profile", rules::one_of(&PROFILES), mistakes);
    let token_file = section.read_unless_empty("tokenFile", rules::readable_file, mistakes);
    let ca_file = section.read_unless_empty("caFile", rules::readable_file, mistakes);

    let standard = CloudConfig::named(&name?)?;
    Some(CloudConfig {
        endpoint: endpoint.unwrap_or(standard.endpoint),
        request_timeout: request_timeout.unwrap_or(standard.request_timeout),
        concurrency: concurrency.map_or(standard.concurrency, |number| number as usize),
        requests_per_second: requests_per_second.unwrap_or(standard.requests_per_second),
        profile: profile.unwrap_or(standard.profile),
        token_file,
        ca_file,
        name: standard.name,
    })
}
