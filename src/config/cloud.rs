//! The clouds of the configuration file.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use ipnet::IpNet;
use reqwest::Url;

use super::error::{ConfigErrors, Violation, quote};
use super::fields::Fields;
use super::validation;
use super::yaml::Node;
use crate::cloud::{AddressPolicy, ClusterRanges, Profile, RestSettings};
use crate::plan::naming::CloudName;

pub(super) const FIELDS: [&str; 9] = [
    "name",
    "endpoint",
    "requestTimeout",
    "concurrency",
    "requestsPerSecond",
    "profile",
    "addressRanges",
    "tokenFile",
    "caFile",
];
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
const REQUEST_TIMEOUT_RANGE: RangeInclusive<Duration> =
    Duration::from_millis(100)..=Duration::from_secs(600);
const CONCURRENCY: u32 = 16;
const PROFILES: [(&str, Profile); 2] = [("standard", Profile::Standard), ("basic", Profile::Basic)];

/// The default settings of a cloud with this name.
fn named(name: &str) -> Option<RestSettings> {
    Some(RestSettings {
        name: CloudName::new(name),
        endpoint: Url::parse(&format!("http://{name}-api:8080")).ok()?,
        request_timeout: REQUEST_TIMEOUT,
        concurrency: CONCURRENCY as usize,
        requests_per_second: 0,
        profile: Profile::Standard,
        addresses: AddressPolicy::default(),
        token_file: None,
        ca_file: None,
    })
}

/// The clouds of a configuration without clouds: cloud1 and cloud2.
pub(super) fn defaults(service_ranges: &[IpNet]) -> Vec<RestSettings> {
    let clouds = ["cloud1", "cloud2"].into_iter().filter_map(named);
    clouds
        .map(|mut cloud| {
            cloud.addresses.service_ranges = service_ranges.to_vec();
            cloud
        })
        .collect()
}

/// Reads the clouds of the list, whose load balancers cannot have an address of
/// `service_ranges`. A cloud without a valid name is left out; errors are
/// added to `errors`.
pub(super) fn read(
    file: &str,
    nodes: &[Node],
    service_ranges: &[IpNet],
    errors: &mut ConfigErrors,
) -> Vec<RestSettings> {
    let mut clouds = Vec::new();
    let mut names = BTreeMap::new();
    let mut accounts = BTreeMap::new();
    for (index, node) in nodes.iter().enumerate() {
        let path = format!("clouds[{index}]");
        let before = errors.len();
        let Some(section) = Fields::open(file, &path, node, &FIELDS, errors) else {
            continue;
        };
        let Some(cloud) = read_one(&section, service_ranges, errors) else {
            continue;
        };
        if let Some(first) = names.insert(cloud.name.clone(), index) {
            let rule = format!("it must differ from clouds[{first}].name");
            errors.add(section.place("name"), quote(cloud.name.as_str()), rule);
        }
        // Only cluster and Service distinguish load balancers, so two clouds with one
        // account would change and delete the load balancers of each other. A default
        // that replaces an invalid value proves nothing.
        let account = (
            cloud.endpoint.clone(),
            credentials(cloud.token_file.as_deref()),
        );
        if errors.len() == before
            && let Some(first) = accounts.insert(account, index)
        {
            let rule = format!(
                "it must differ from clouds[{first}].endpoint, unless each has a token of its own"
            );
            errors.add(
                section.place("endpoint"),
                quote(cloud.endpoint.as_str()),
                rule,
            );
        }
        clouds.push(cloud);
    }
    clouds
}

/// What tells two accounts of one endpoint apart: the token, or the path of a file that
/// has none yet.
fn credentials(token_file: Option<&Path>) -> Option<String> {
    let path = token_file?;
    let token = std::fs::read_to_string(path).unwrap_or_default();
    Some(match token.trim() {
        "" => path.display().to_string(),
        token => token.to_owned(),
    })
}

fn read_one(
    section: &Fields<'_>,
    service_ranges: &[IpNet],
    errors: &mut ConfigErrors,
) -> Option<RestSettings> {
    let before = errors.len();
    let name = section.read("name", validation::dns_label, errors);
    if name.is_none() && errors.len() == before {
        errors.add(section.place("name"), "nothing", "every cloud needs a name");
    }
    let endpoint = section.read("endpoint", validation::endpoint, errors);
    let request_timeout = section.read(
        "requestTimeout",
        validation::duration_in(REQUEST_TIMEOUT_RANGE),
        errors,
    );
    let concurrency = section.read("concurrency", validation::number_in(1..=1000), errors);
    let requests_per_second = section.read(
        "requestsPerSecond",
        validation::number_in(0..=100_000),
        errors,
    );
    let profile = section.read("profile", profile, errors);
    let ranges = section.read_list("addressRanges", validation::range, errors);
    let token_file = section.read_unless_empty("tokenFile", validation::readable_file, errors);
    let ca_file = section.read_unless_empty("caFile", validation::readable_file, errors);

    let standard = named(&name?)?;
    Some(RestSettings {
        endpoint: endpoint.unwrap_or(standard.endpoint),
        request_timeout: request_timeout.unwrap_or(standard.request_timeout),
        concurrency: concurrency.map_or(standard.concurrency, |number| number as usize),
        requests_per_second: requests_per_second.unwrap_or(standard.requests_per_second),
        profile: profile.unwrap_or(standard.profile),
        addresses: AddressPolicy {
            ranges,
            service_ranges: service_ranges.to_vec(),
            cluster_ranges: ClusterRanges::default(),
        },
        token_file,
        ca_file,
        name: standard.name,
    })
}

/// `seed` is the name that `basic` had first.
fn profile(text: &str) -> Result<Profile, Violation> {
    match text {
        "seed" => Ok(Profile::Basic),
        _ => validation::one_of(&PROFILES)(text),
    }
}
