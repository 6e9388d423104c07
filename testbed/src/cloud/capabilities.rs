//! What the cloud says that it can do, and holds its callers to.

use serde::{Deserialize, Serialize};

use super::load_balancer::{AddressFamily, Algorithm, Protocol, SessionAffinity, Settings};
use super::refusal::Refusal;

/// What a cloud can do. A field that is `None` is not told, and everything of its kind works.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Capabilities {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocols: Option<Vec<Protocol>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub algorithms: Option<Vec<Algorithm>>,
    /// Also names that nobody knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub features: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub specs: Option<Vec<Spec>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
}

/// A size or class of load balancer, and its limits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Spec {
    pub name: String,
    /// Bits per second: a number and `K`, `M` or `G`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_bandwidth: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_listeners: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_back_ends: Option<usize>,
}

/// What the account may have, as told; what is enforced is the quota of the options.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Limits {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load_balancers: Option<u64>,
    /// None for the number that there is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub used: Option<u64>,
}

/// The names of all features in the document.
pub const FEATURES: [&str; 13] = [
    "sourceRanges",
    "affinity",
    "healthChecks",
    "internal",
    "address",
    "proxyProtocol",
    "appProtocol",
    "idleTimeout",
    "tags",
    "list",
    "release",
    "dualStack",
    "attach",
];

impl Capabilities {
    /// Those of a cloud that can do all that the document has.
    pub fn all() -> Self {
        Self {
            protocols: Some(Protocol::ALL.into()),
            algorithms: Some(Algorithm::ALL.into()),
            features: Some(FEATURES.map(str::to_owned).into()),
            specs: None,
            limits: None,
        }
    }

    /// The same without one feature.
    #[must_use]
    pub fn without(mut self, feature: &str) -> Self {
        let features = self.features.iter_mut().flatten();
        let rest = features
            .filter(|own| *own != feature)
            .map(|own| own.clone());
        self.features = Some(rest.collect());
        self
    }

    /// Refuses what the cloud cannot do.
    pub(super) fn check(&self, settings: &Settings) -> Result<(), Refusal> {
        let lacks = |what: String| Err(Refusal::invalid(format!("{what}: not supported")));
        for (index, listener) in settings.listeners.iter().enumerate() {
            if is_outside(&self.protocols, &listener.protocol) {
                return lacks(format!("listeners[{index}].protocol"));
            }
        }
        if is_outside(&self.algorithms, &settings.algorithm) {
            return lacks("algorithm".into());
        }
        for (feature, is_used) in uses(settings) {
            if is_used && is_outside(&self.features, &feature.to_owned()) {
                return lacks(feature.to_owned());
            }
        }
        let Some(specs) = &self.specs else {
            return Ok(());
        };
        match specs.iter().find(|spec| spec.name == settings.spec) {
            None => lacks(format!("spec {:?}", settings.spec)),
            Some(spec) => spec.check(settings),
        }
    }
}

impl Spec {
    fn check(&self, settings: &Settings) -> Result<(), Refusal> {
        let too_many = |what: &str, number: usize, most: Option<usize>| match most {
            Some(most) if number > most => Err(Refusal::invalid(format!(
                "{what}: {number} are more than the {most} of the spec {:?}",
                self.name
            ))),
            _ => Ok(()),
        };
        too_many("listeners", settings.listeners.len(), self.max_listeners)?;
        too_many("nodes", settings.nodes.len(), self.max_back_ends)?;
        let most = self.max_bandwidth.as_deref().map(kilobits);
        if most.is_some_and(|most| kilobits(&settings.bandwidth) > most) {
            let message = format!("bandwidth: more than the spec {:?} allows", self.name);
            return Err(Refusal::invalid(message));
        }
        Ok(())
    }
}

fn is_outside<T: PartialEq>(told: &Option<Vec<T>>, one: &T) -> bool {
    told.as_ref().is_some_and(|told| !told.contains(one))
}

/// The features that have to do with settings, and whether these settings use them.
fn uses(settings: &Settings) -> [(&'static str, bool); 10] {
    let listeners = || settings.listeners.iter();
    let has_own_check = listeners().any(|one| one.health_check.is_some());
    let has_check = settings.health_check.is_some() || has_own_check;
    let has_address = settings.address.is_some() || settings.address6.is_some();
    let has_affinity = settings.session_affinity != SessionAffinity::None;
    [
        ("sourceRanges", !settings.source_ranges.is_empty()),
        ("affinity", has_affinity),
        ("healthChecks", has_check),
        ("internal", settings.internal),
        ("address", has_address),
        ("idleTimeout", settings.idle_timeout_seconds.is_some()),
        ("tags", !settings.tags.is_empty()),
        (
            "proxyProtocol",
            listeners().any(|one| !one.proxy_protocol.is_none()),
        ),
        (
            "appProtocol",
            listeners().any(|one| !one.app_protocol.is_empty()),
        ),
        ("dualStack", settings.wants(AddressFamily::V6)),
    ]
}

/// Of a bandwidth that was validated.
fn kilobits(bandwidth: &str) -> u64 {
    let (digits, factor) = match bandwidth.split_at(bandwidth.len().saturating_sub(1)) {
        (digits, "G") => (digits, 1_000_000),
        (digits, "M") => (digits, 1_000),
        (digits, _) => (digits, 1),
    };
    digits.parse::<u64>().unwrap_or_default() * factor
}
