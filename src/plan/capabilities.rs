//! What clouds can do, and what a Service needs of a cloud.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::canonical;
use super::load_balancer::{Algorithm, Protocol};
use super::naming::CloudName;

/// A feature that not every cloud has; named as in the API of the clouds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Feature {
    /// Only some client addresses are let in.
    SourceRanges,
    /// A client address keeps its back end.
    Affinity,
    /// Each listener has a health check of the caller's choice.
    HealthChecks,
    /// A load balancer can be for private networks only.
    Internal,
    /// A load balancer has an address of the caller's choice.
    Address,
    /// A connection to a back end begins with a PROXY protocol header.
    ProxyProtocol,
    /// Each listener says which protocol clients speak on it.
    AppProtocol,
    /// A connection without traffic is closed after a time of the caller's choice.
    IdleTimeout,
    /// A load balancer has tags of the caller's choice.
    Tags,
    /// The load balancers of a cluster can be listed.
    List,
    /// The owner of a load balancer can be taken off.
    Release,
    /// A load balancer has addresses and back ends of the IP families that are asked for.
    DualStack,
    /// A caller can put its owner and its listeners on a load balancer that others made.
    Attach,
}

impl Feature {
    pub const ALL: [Self; 13] = [
        Self::SourceRanges,
        Self::Affinity,
        Self::HealthChecks,
        Self::Internal,
        Self::Address,
        Self::ProxyProtocol,
        Self::AppProtocol,
        Self::IdleTimeout,
        Self::Tags,
        Self::List,
        Self::Release,
        Self::DualStack,
        Self::Attach,
    ];

    /// The name in the API of the clouds.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SourceRanges => "sourceRanges",
            Self::Affinity => "affinity",
            Self::HealthChecks => "healthChecks",
            Self::Internal => "internal",
            Self::Address => "address",
            Self::ProxyProtocol => "proxyProtocol",
            Self::AppProtocol => "appProtocol",
            Self::IdleTimeout => "idleTimeout",
            Self::Tags => "tags",
            Self::List => "list",
            Self::Release => "release",
            Self::DualStack => "dualStack",
            Self::Attach => "attach",
        }
    }
}

impl fmt::Display for Feature {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::SourceRanges => "source ranges",
            Self::Affinity => "session affinity",
            Self::HealthChecks => "the choice of health checks",
            Self::Internal => "internal load balancers",
            Self::Address => "the choice of an address",
            Self::ProxyProtocol => "the PROXY protocol",
            Self::AppProtocol => "application protocols",
            Self::IdleTimeout => "the choice of an idle timeout",
            Self::Tags => "tags",
            Self::List => "a list of load balancers",
            Self::Release => "taking the owner off a load balancer that is retained",
            Self::DualStack => "dual stack",
            Self::Attach => "load balancers that others made",
        })
    }
}

/// What a cloud can do.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Capabilities {
    pub protocols: BTreeSet<Protocol>,
    pub algorithms: BTreeSet<Algorithm>,
    pub features: BTreeSet<Feature>,
    /// The limits of every load balancer.
    pub limits: Limits,
    /// The specs by name, each with its limits; `None` if the cloud does not tell them.
    pub specs: Option<BTreeMap<String, Limits>>,
}

/// The limits of a load balancer; `None` if there is none, or none is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub struct Limits {
    /// Number of listeners.
    pub listeners: Option<usize>,
    /// Kilobits per second.
    pub bandwidth: Option<u64>,
    /// Number of back ends.
    pub back_ends: Option<usize>,
}

impl Capabilities {
    /// Those of a cloud that does not tell them and has the whole API of before there was a
    /// question.
    pub fn standard() -> Self {
        Self {
            protocols: [Protocol::Tcp, Protocol::Udp].into(),
            algorithms: Algorithm::ALL.into(),
            features: [Feature::SourceRanges, Feature::Affinity, Feature::List].into(),
            limits: Limits::default(),
            specs: None,
        }
    }

    /// Those of the smallest API: one TCP port, spec and bandwidth.
    pub fn basic() -> Self {
        Self {
            protocols: [Protocol::Tcp].into(),
            algorithms: [Algorithm::RoundRobin].into(),
            features: BTreeSet::new(),
            limits: Limits {
                listeners: Some(1),
                ..Limits::default()
            },
            specs: None,
        }
    }

    /// Those of a cloud that can do everything.
    pub fn unlimited() -> Self {
        Self {
            protocols: Protocol::ALL.into(),
            algorithms: Algorithm::ALL.into(),
            features: Feature::ALL.into(),
            limits: Limits::default(),
            specs: None,
        }
    }

    /// The names of all that it can do. Those of different kinds are different.
    pub fn names(&self) -> BTreeSet<&'static str> {
        let protocols = self.protocols.iter().map(|one| one.as_str());
        let algorithms = self.algorithms.iter().map(|one| one.as_str());
        let features = self.features.iter().map(|one| one.as_str());
        protocols.chain(algorithms).chain(features).collect()
    }

    pub fn has(&self, feature: Feature) -> bool {
        self.features.contains(&feature)
    }

    /// The most back ends of a load balancer of this spec; `None` if any number is possible, or
    /// no limit is known.
    pub(super) fn most_back_ends(&self, spec: &str) -> Option<usize> {
        let of_spec = self.specs.as_ref().and_then(|specs| specs.get(spec));
        let limits = [Some(&self.limits), of_spec].into_iter().flatten();
        limits.filter_map(|limits| limits.back_ends).min()
    }
}

/// The configured clouds and what each can do.
pub type Clouds = BTreeMap<CloudName, Capabilities>;

/// What a Service needs of a cloud. Displays as what a cloud without it does not support.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need<'a> {
    Protocol(Protocol),
    Algorithm(Algorithm),
    Feature(Feature),
    Spec(&'a str),
    /// Number of listeners of a load balancer of this spec.
    Listeners(&'a str, usize),
    /// Bandwidth of a load balancer of this spec, in canonical form.
    Bandwidth(&'a str, &'a str),
}

impl Need<'_> {
    pub fn is_met_by(&self, capabilities: &Capabilities) -> bool {
        let Capabilities {
            protocols,
            algorithms,
            features,
            limits,
            specs,
        } = capabilities;
        let of_spec = |spec: &str| specs.as_ref().and_then(|specs| specs.get(spec));
        let within = |spec: &str, limit: fn(&Limits) -> Option<u64>, value: u64| {
            let all = [Some(limits), of_spec(spec)];
            all.into_iter()
                .flatten()
                .filter_map(limit)
                .all(|most| value <= most)
        };
        match *self {
            Self::Protocol(protocol) => protocols.contains(&protocol),
            Self::Algorithm(algorithm) => algorithms.contains(&algorithm),
            Self::Feature(feature) => features.contains(&feature),
            Self::Spec(spec) => specs.as_ref().is_none_or(|all| all.contains_key(spec)),
            Self::Listeners(spec, number) => {
                let limit = |limits: &Limits| limits.listeners.map(|most| most as u64);
                within(spec, limit, number as u64)
            }
            Self::Bandwidth(spec, bandwidth) => {
                let kilobits = canonical::kilobits(bandwidth).unwrap_or(u64::MAX);
                within(spec, |limits| limits.bandwidth, kilobits)
            }
        }
    }
}

impl fmt::Display for Need<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Protocol(protocol) => write!(formatter, "the protocol {}", protocol.as_str()),
            Self::Algorithm(algorithm) => write!(formatter, "the algorithm {}", algorithm.as_str()),
            Self::Feature(feature) => feature.fmt(formatter),
            Self::Spec(spec) => write!(formatter, "the spec {spec}"),
            Self::Listeners(spec, number) => {
                write!(
                    formatter,
                    "{number} ports on a load balancer of the spec {spec}"
                )
            }
            Self::Bandwidth(spec, bandwidth) => {
                write!(formatter, "a bandwidth of {bandwidth} with the spec {spec}")
            }
        }
    }
}
